"""The operation behind `rollforward setup gitlab`: register our webhook, and remember where it is."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Protocol

from bot.forges import ForgeError
from bot.forges.client import ForgeClient
from bot.forges.gitlab.client import GitlabClient
from bot.forges.gitlab.hooks import hook_url
from bot.forges.gitlab.registration import BAD, Outcome, Registrar, Wanted
from bot.settings import Settings
from bot.store import Store, Writer


class HooksRefusedError(Exception):
    """Hooks cannot be registered at all, and why."""


class Worker(Protocol):
    """What the operation needs of the server, or of the command that owns the store."""

    store: Store
    settings: Settings

    @property
    def clients(self) -> Callable[[], Mapping[str, ForgeClient]]: ...


async def register_hooks(
    worker: Worker, *, groups: Sequence[str], projects: Sequence[str], system: bool, url: str, remove: bool, dry_run: bool,
    progress: Callable[[str], None],
) -> dict[str, object]:  # fmt: skip
    """Register hooks for these groups, projects and (`system`) the instance; `url` overrules BASE_URL. Raises HooksRefusedError."""
    client = worker.clients().get("gitlab")
    if not isinstance(client, GitlabClient):
        raise HooksRefusedError("set GITLAB_TOKEN (and GITLAB_URL for an instance of your own) where the server runs")
    wanted = _wanted(worker.settings, url)
    registrar = Registrar(client.api, wanted, remove=remove, dry_run=dry_run, progress=progress)
    outcomes: list[Outcome] = []
    try:
        await _check_scopes(client, dry_run=dry_run)
        for path in groups:
            outcomes += await registrar.group(path)
        for path in projects:
            outcomes += await registrar.project(path)
        if system:
            outcomes += await registrar.system()
    except ForgeError as error:
        raise HooksRefusedError(error.detail or error.slug) from error
    if not dry_run:
        await worker.store.write_async(partial(_record, outcomes=outcomes))
    return {
        "url": wanted.url,
        "hooks": [asdict(outcome) for outcome in outcomes],
        "refused": [outcome.subject for outcome in outcomes if outcome.done in BAD],
    }


def _wanted(settings: Settings, url: str) -> Wanted:
    base = url or settings.base_url
    if not base:
        raise HooksRefusedError("set BASE_URL, or give --url: the address under which GitLab reaches this server")
    token, signing = settings.gitlab_webhook_secret, settings.gitlab_signing_token
    if not token and not signing:
        raise HooksRefusedError("set GITLAB_WEBHOOK_SECRET (openssl rand -hex 32): without it nobody is believed")
    return Wanted(
        url=hook_url(base), token=token[0].decode() if token else "", signing_token=signing[0].decode() if signing else ""
    )


async def _check_scopes(client: GitlabClient, *, dry_run: bool) -> None:
    scopes = await client.scopes()
    needed = {"api"} | ({"read_api"} if dry_run else set())
    if scopes is not None and not scopes & needed:
        told = ", ".join(sorted(scopes))
        raise HooksRefusedError(f"registering hooks needs a GITLAB_TOKEN with the scope api; this one has {told}")


def _record(writer: Writer, *, outcomes: Sequence[Outcome]) -> None:
    for one in outcomes:
        if one.id and one.done == "removed":
            writer.execute("set_hook_state", forge="gitlab", id=one.id, state="gone", reason="removed by command")
        elif one.id:
            writer.execute("upsert_hook", forge="gitlab", id=one.id, subject=one.subject, state="active", reason="")
