"""The forges that there are credentials for, each with its one client, made when it is first asked for.

Their libraries are loaded then too: most commands and many servers ask no forge, and should not wait half a second for them.
"""

from collections.abc import Callable, Mapping

from bot.credentials import Credentials
from bot.dora.instants import Instant
from bot.facts.repositories import RepositoryRow
from bot.forges.client import ForgeClient, GitAccess
from bot.pipeline.correspondence import load_repository_key
from bot.settings import Settings
from bot.store import Store


class ForgeClients:
    """Call it for the clients by forge: an App that was set up meanwhile is there without a restart."""

    def __init__(self, store: Store, settings: Settings, credentials: Credentials, *, clock: Callable[[], Instant]) -> None:
        self.store, self.settings, self.credentials, self.clock = store, settings, credentials, clock
        self.made: dict[str, ForgeClient] = {}

    def __call__(self) -> Mapping[str, ForgeClient]:
        """The clients of forges that can be asked now."""
        able = {"github": self.credentials.github_app() is not None, "gitlab": self.settings.gitlab_token is not None}
        return {forge: self.made.get(forge) or self._make(forge) for forge in able if able[forge]}

    async def git_access(self, forge: str, row: RepositoryRow) -> GitAccess | None:
        """How git may read a repository of a forge (`pipeline.mirror.Access`)."""
        client = self().get(forge)
        if client is None:
            return None
        repository = await self.store.read_async(lambda reader: load_repository_key(reader, row.id))
        return None if repository is None else await client.git_access(repository)

    async def close(self) -> None:
        """End their connections and threads."""
        for client in self.made.values():
            await client.close()
        self.made.clear()

    def _make(self, forge: str) -> ForgeClient:
        made = self._gitlab() if forge == "gitlab" else self._github()
        self.made[forge] = made
        return made

    def _github(self) -> ForgeClient:
        from bot.forges.github.client import GithubClient

        return GithubClient(self.settings.github_api_url, app=self.credentials.github_app, clock=self.clock)

    def _gitlab(self) -> ForgeClient:
        from bot.forges.gitlab.client import GitlabClient

        token = self.settings.gitlab_token
        return GitlabClient(
            url=self.settings.gitlab_url, token=token.decode() if token else "", clock=self.clock,
            base_url=self.settings.base_url,
        )
