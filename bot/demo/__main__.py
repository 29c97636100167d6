"""`python -m bot.demo`: with --url plays against a running server, without it starts everything (what `make demo` runs)."""

import argparse
import asyncio
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import aiohttp

from bot.demo.check import check
from bot.demo.deliveries import Secrets
from bot.demo.expected import load_table
from bot.demo.folder import base_date, compare_with_first_play, given_secret, own_secrets
from bot.demo.launch import (
    HOST,
    git_server,
    invitation,
    ready,
    refuse_taken,
    rollforward,
    server_environment,
    stop_signal,
    stopped,
)
from bot.demo.organisation import DemoError, Organisation, build_organisation
from bot.demo.player import TIMEOUT, Api, play, say
from bot.demo.story import describe, story

DEADLINE = 150.0
"""Seconds until what was sent must have become numbers."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Play the demo; 0 when everything agrees with docs/demo.md, 1 when it does not or cannot be done, 2 on wrong usage."""
    try:
        options = _parser().parse_args(arguments)
    except SystemExit as leave:
        return int(leave.code or 0)
    try:
        asyncio.run(_attach(options) if options.url else _launch(options))
    except DemoError as error:
        say(f"demo: {error}")
        return 1
    except (KeyboardInterrupt, asyncio.CancelledError):
        return 130
    return 0


async def _launch(options: argparse.Namespace) -> None:
    """Git server, Rollforward, play, check; then stay until Ctrl-C, or leave with DEMO_EXIT=1."""
    folder: Path = options.data
    organisation = _organisation(folder)
    _cancel_on(signal.SIGTERM)
    port = _port()
    refuse_taken(port)
    hosts = (organisation.shop.spec.host, organisation.ledger.spec.host)
    async with git_server(organisation.root, port=options.serve_git or 0, withhold_pulls=options.withhold_pulls) as git:
        environment = server_environment(folder, port=port, git_url=git.url, hosts=hosts)
        async with rollforward(folder, environment) as child, aiohttp.ClientSession(timeout=TIMEOUT) as session:
            url = f"http://{HOST}:{port}"
            api = Api(session, url, own_secrets(folder))
            say(f"demo: starting Rollforward on {url} (its log: {folder / 'server.log'})")
            await ready(api, child, folder)
            await _play(api, organisation, options, check_it=True)
            if os.environ.get("DEMO_EXIT") == "1":
                return
            stop = stop_signal()
            print(invitation(folder, url), flush=True)
            await stopped(stop, child)


async def _attach(options: argparse.Namespace) -> None:
    """Play against a server that somebody else started."""
    organisation = _organisation(options.data)
    secrets = Secrets(
        github=given_secret(os.environ, "GITHUB_WEBHOOK_SECRET", options.github_secret_file),
        gitlab=given_secret(os.environ, "GITLAB_WEBHOOK_SECRET", options.gitlab_secret_file),
        api_key=given_secret(os.environ, "API_KEYS", options.api_key_file),
    )
    async with aiohttp.ClientSession(timeout=TIMEOUT) as session:
        api = Api(session, options.url, secrets)
        if options.serve_git is None:
            await _play(api, organisation, options, check_it=options.check)
            return
        async with git_server(organisation.root, port=options.serve_git, withhold_pulls=options.withhold_pulls) as git:
            say(f"demo: git server on {git.url}")
            await _play(api, organisation, options, check_it=options.check)
            if not options.check:
                await asyncio.Event().wait()


def _organisation(folder: Path) -> Organisation:
    organisation = build_organisation(folder / "git", base_date(folder))
    say(f"demo: {describe(organisation)}")
    return organisation


async def _play(api: Api, organisation: Organisation, options: argparse.Namespace, *, check_it: bool) -> None:
    begun = time.monotonic()
    played = await play(api, story(organisation))
    compare_with_first_play(options.data, options.url or "the demo's own server", played.calls)
    say(f"demo: {played.fresh} webhooks were new, {played.known} known; {len(set(played.calls.values()))} deployments and failures")
    if not check_it:
        return
    agreed = await check(api, organisation, load_table(), withheld=options.withhold_pulls, deadline=options.deadline)
    say(f"demo: {agreed} facts agree with docs/demo.md ({time.monotonic() - begun:.1f} s)")


def _port() -> int:
    written = os.environ.get("PORT") or "8080"
    if not written.isdecimal() or not 0 < int(written) < 65_536:
        raise DemoError(f"PORT is {written!r}, no number from 1 to 65535")
    return int(written)


def _cancel_on(number: signal.Signals) -> None:
    """Let a signal end the demo the way Ctrl-C does, so that no child outlives it."""
    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="rollforward demo",
        allow_abbrev=False,
        description="Play a sample organisation: build its repositories, send what its forges and CI would send, compare the "
        "answers with docs/demo.md. Without --url it starts a server of its own (PORT, default 8080) and leaves it open; "
        "DEMO_EXIT=1 ends after the check.",
    )
    add = parser.add_argument
    add("--url", help="play against this running server instead of starting one")
    add("--data", type=Path, default=Path("data") / "demo", help="the demo's own folder (default: %(default)s)")
    add("--github-secret-file", type=Path, help="file with the webhook secret (else GITHUB_WEBHOOK_SECRET or …_FILE)")
    add("--gitlab-secret-file", type=Path, help="file with the webhook secret (else GITLAB_WEBHOOK_SECRET or …_FILE)")
    add("--api-key-file", type=Path, help="file with an API key (else API_KEYS or API_KEYS_FILE)")
    add("--serve-git", type=int, metavar="PORT", help="serve the repositories on this port (0 picks one)")
    add("--check", action="store_true", help="with --url: compare afterwards (a server of its own is always checked)")
    add("--withhold-pulls", action="store_true", help="hide the heads of pull requests, as some servers do")
    add("--deadline", type=float, default=DEADLINE, help="seconds to wait for the numbers (default: %(default)s)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
