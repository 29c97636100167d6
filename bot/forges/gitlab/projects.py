"""Which project is meant: by its number wherever that is known, else by its path, which renames change."""

from bot.dora.events import RepositoryRef
from bot.dora.instants import MINUTE, Instant
from bot.dora.repositories import WebRoots
from bot.forges import PayloadError, fields
from bot.forges.client import ForgeUnavailableError, RepositoryKey
from bot.forges.gitlab import answers
from bot.forges.gitlab.calls import Api, encoded

KEPT = 5 * MINUTE
"""How long a project's description is believed: asking for one is limited to 400 a minute."""
MOST = 10_000
NEEDS_READ = "the scope read_api and at least the role Reporter in the project"


class Projects:
    """The projects of one GitLab, remembered for minutes."""

    def __init__(self, api: Api, *, web_roots: WebRoots) -> None:
        self.api, self._web_roots = api, web_roots
        self._known: dict[str, tuple[Instant, answers.Project]] = {}

    async def find(self, repository: RepositoryKey) -> answers.Project:
        """The project behind a key. Raises NotThereError, NotAllowedError, ForgeUnavailableError."""
        asked = repository.forge_id or repository.path
        known = self._known.get(asked)
        if known is not None and self.api.clock() - known[0] < KEPT:
            return known[1]
        project = await self.api.get(f"/projects/{encoded(asked)}", answers.Project, needs=NEEDS_READ)
        if len(self._known) >= MOST:
            self._known.clear()
        self._known[asked] = self._known[str(project.id)] = self.api.clock(), project
        return project

    async def path(self, repository: RepositoryKey, rest: str = "") -> str:
        """`/projects/<number><rest>`."""
        number = repository.forge_id or str((await self.find(repository)).id)
        return f"/projects/{number}{rest}"

    def ref(self, project: answers.Project) -> RepositoryRef:
        """The repository as events name it. Raises ForgeUnavailableError."""
        try:
            return fields.repository(
                forge="gitlab", forge_id=project.id, url=project.http_url_to_repo, default_branch=project.default_branch,
                seen_at=self.api.clock(), web_roots=self._web_roots,
            )
        except PayloadError as error:
            raise ForgeUnavailableError("broken_answer", f"project {project.id}: {error.detail}") from error
