"""What is said to a forge: composed when it is said, from what is known then."""

from collections.abc import Awaitable, Callable
from hashlib import blake2b

from bot.dora.instants import Instant
from bot.facts.outbox import REDELIVER, Message, record_said
from bot.forges.client import ForgeClient, NotThereError, Report
from bot.pipeline.correspondence import load_repository_key
from bot.store import Store

Compose = Callable[[int, int], Awaitable[Report | None]]
"""What to say under a pull request (repository, number) now; `None`: nothing."""


async def say(
    store: Store, client: ForgeClient, message: Message, *, compose: Compose | None, clock: Callable[[], Instant]
) -> None:
    """Carry out a message. Raises ForgeUnavailableError, NotAllowedError, NotThereError."""
    if message.kind == REDELIVER:
        hook, _, entry = message.subject.rpartition(" ")
        await client.redeliver(hook, entry)
        digest, remote = message.digest, message.remote
    elif compose is not None:
        digest, remote = await _report(store, client, message, compose)
    else:
        return
    await store.write_async(
        lambda writer: record_said(writer, message, digest=digest, remote=remote, now=clock()), urgent=False
    )


async def _report(store: Store, client: ForgeClient, message: Message, compose: Compose) -> tuple[str, str]:
    """Returns digest and `remote` of what now stands there."""
    repository_id = message.repository_id
    repository = None
    if repository_id is not None:
        repository = await store.read_async(lambda reader: load_repository_key(reader, repository_id))
    if repository is None or repository_id is None:
        raise NotThereError("no_repository", "the repository is not known any more")
    report = await compose(repository_id, int(message.subject))
    if report is None:
        return message.digest, message.remote
    digest = blake2b(repr(report).encode(errors="surrogateescape"), digest_size=16).hexdigest()
    if digest == message.digest:
        return message.digest, message.remote
    return digest, await client.report(repository, report, remote=message.remote)
