"""The forges that there are credentials for, each with its one client, made when it is first asked for."""

from collections.abc import Callable, Mapping

from bot.credentials import Credentials
from bot.dora.instants import Instant
from bot.facts.repositories import RepositoryRow
from bot.forges.client import ForgeClient, GitAccess, RepositoryKey
from bot.forges.github.client import GithubClient
from bot.forges.gitlab.client import GitlabClient
from bot.settings import Settings


class ForgeClients:
    """Call it for the clients by forge: an App that was set up meanwhile is there without a restart."""

    def __init__(self, settings: Settings, credentials: Credentials, *, clock: Callable[[], Instant]) -> None:
        self.settings, self.credentials, self.clock = settings, credentials, clock
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
        return await client.git_access(RepositoryKey(path=row.name.partition("/")[2], forge_id=row.forge_id))

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
        return GithubClient(self.settings.github_api_url, app=self.credentials.github_app, clock=self.clock)

    def _gitlab(self) -> ForgeClient:
        token = self.settings.gitlab_token
        return GitlabClient(
            url=self.settings.gitlab_url, token=token.decode() if token else "", clock=self.clock,
            base_url=self.settings.base_url,
        )
