"""One story of people and buttons, played on any forge: the same work must give the same numbers."""

from collections.abc import Callable
from dataclasses import dataclass

from bot.standins.forge import Forge, Repo
from bot.standins.repository import How, Person

ALICE = Person(login="alice", name="Alice Archer", email="alice@example.com", number=101)
BOB = Person(login="bob", name="Bob Baker", email="bob@example.com", number=102)
STEP = 600
"""Seconds between two things that happen, in a story that need not hurry."""
BUTTONS: tuple[How, ...] = ("merge", "squash", "rebase", "fast_forward")


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployed:
    """A deployment that CI reports; instants in seconds."""

    service: str
    version: str
    repository: str
    sha: str
    started_at: int
    finished_at: int


Report = Callable[[Deployed], None]


def land(forge: Forge, repo: Repo, n: int, how: How, *, step: int = STEP) -> str:
    """One pull request with two commits, a flip from draft, an approval and a button; the new tip."""
    branch = f"topic-{n}"
    tip = repo.git.head("main")
    forge.now += step
    repo.create_branch(branch, tip, by=ALICE)
    repo.commit(branch, {f"services/api/part{n}.py": f"{n}\n"}, message=f"Begin part {n}", author=ALICE)
    forge.now += step
    number = repo.open(branch, "main", title=f"Part {n}", author=ALICE, body=f"Brings part {n}.", draft=n % 2 == 0)
    forge.now += step
    repo.commit(branch, {f"services/web/part{n}.js": f"{n}\n"}, message=f"Show part {n}", author=ALICE)
    if n % 2 == 0:
        forge.now += step
        repo.set_draft(number, False, by=ALICE)
    if n % 3 == 0:
        repo.label(number, "hotfix", by=BOB)
    forge.now += 2 * step
    repo.approve(number, by=BOB)
    forge.now += step
    return repo.merge(number, how, by=BOB)


def play(forge: Forge, repo: Repo, report: Report, *, rounds: int = 8, step: int = STEP) -> None:
    """A repository with two services; each round lands one pull request by the next button and deploys both."""
    forge.now += step
    repo.commit("main", {"README.md": "Shop\n", "services/api/a.py": "a\n", "services/web/a.js": "a\n"}, message="Begin", author=BOB)
    deploy(forge, repo, repo.git.head("main"), "v0", report, step=step)
    for n in range(1, rounds + 1):
        tip = land(forge, repo, n, BUTTONS[n % len(BUTTONS)], step=step)
        if n % 4 == 1:
            forge.now += step
            tip = repo.commit("main", {f"docs/{n}.md": "text\n"}, message=f"Describe part {n}", author=BOB)
        deploy(forge, repo, tip, f"v{n}", report, step=step)


def deploy(forge: Forge, repo: Repo, sha: str, version: str, report: Report, *, step: int = STEP) -> None:
    """Both services, one after the other."""
    for service in ("api", "web"):
        forge.now += step
        report(
            Deployed(
                service=service, version=version, repository=repo.path, sha=sha, started_at=forge.now - step // 10, finished_at=forge.now
            )
        )


def definitions(host: str, path: str) -> dict[str, str]:
    """The files of `service_definitions/` for both services of a repository, by name."""
    return {
        f"{service}.yaml": f"""schema-version: v2.2
dd-service: {service}
team: shop
links:
  - name: Source
    type: repo
    provider: {"gitlab" if "gitlab" in host else "github"}
    url: https://{host}/{path}/{"-/" if "gitlab" in host else ""}tree/main/services/{service}
"""
        for service in ("api", "web")
    }
