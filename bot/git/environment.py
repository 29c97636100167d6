"""The environment git runs in: made from nothing, settings included, so that none stands in arguments or on disk."""

import os
from collections.abc import Mapping
from pathlib import Path

# Faults of old histories that hurt nobody who never checks out; all others are refused.
HARMLESS = (
    "badDate", "badDateOverflow", "badEmail", "badName", "badTimezone", "missingEmail", "missingNameBeforeEmail",
    "missingSpaceBeforeDate", "missingSpaceBeforeEmail", "multipleAuthors", "zeroPaddedFilemode", "zeroPaddedDate",
    "missingTaggerEntry", "badTagName",
)
"""Names of `git fsck`'s checks."""
_ALWAYS = {
    "core.hooksPath": "/dev/null",
    "core.fsmonitor": "false",
    "core.attributesFile": "/dev/null",
    "core.alternateRefsCommand": "true",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "protocol.version": "2",
    "log.showSignature": "false",
    "log.showRoot": "true",
    "log.mailmap": "false",
    "diff.relative": "false",
    "i18n.logOutputEncoding": "UTF-8",
    "submodule.recurse": "false",
}
FETCHING = {
    "fetch.fsckObjects": "true",
    "transfer.fsckObjects": "true",
    "fetch.recurseSubmodules": "false",
    "fetch.writeCommitGraph": "false",
    "pack.threads": "1",
    "http.lowSpeedLimit": "1000",
    "http.lowSpeedTime": "60",
    "credential.helper": "",
    **{f"fetch.fsck.{fault}": "ignore" for fault in HARMLESS},
}
_PASSED_ON = (
    "https_proxy", "HTTPS_PROXY", "http_proxy", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY", "SSL_CERT_FILE",
    "SSL_CERT_DIR", "GIT_SSL_CAINFO", "GIT_SSL_CAPATH",
)


def environment(path: Path, *, protocols: str = "none", config: Mapping[str, str] | None = None) -> dict[str, str]:
    """What git may know of the world. `safe.directory` is `path` alone: whoever named it trusts it, whoever owns it."""
    settings = [*_ALWAYS.items(), *(config or {}).items(), ("safe.directory", str(path))]
    settings += [("safe.directory", str(path / ".git"))]
    variables = {
        "PATH": os.environ.get("PATH", os.defpath),
        "LC_ALL": "C",
        "TZ": "UTC",
        "HOME": "/dev/null",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "true",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_GRAFT_FILE": "/dev/null/none",
        "GIT_PAGER": "cat",
        "GIT_ALLOW_PROTOCOL": protocols,
        "GIT_PROTOCOL_FROM_USER": "0",
        # `path` itself is the repository, never a folder above it.
        "GIT_CEILING_DIRECTORIES": str(path.parent),
        "GIT_CONFIG_COUNT": str(len(settings)),
    }
    for i, (key, value) in enumerate(settings):
        variables[f"GIT_CONFIG_KEY_{i}"], variables[f"GIT_CONFIG_VALUE_{i}"] = key, value
    if protocols != "none":
        variables.update((name, os.environ[name]) for name in _PASSED_ON if name in os.environ)
    return variables
