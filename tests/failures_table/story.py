"""Plays a case: real commits in a real repository on a forge that queues its webhooks, and the calls of CI and people beside it."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from bot.standins.github import GitHub
from bot.standins.github.repo import GitHubRepo
from bot.standins.gitlab.forge import GitLab
from bot.standins.gitlab.project import Project
from bot.standins.repository import Person, signature
from tests.failures_table.deliveries import Sent, called, from_github, from_gitlab
from tests.failures_table.notation import Case, Line, NotationError

FIRST_DAY = int(datetime(2026, 5, 4, tzinfo=UTC).timestamp())
PAUSE = 15
"""Seconds between two acts of which no clock is told."""
ANN = Person(login="ann", name="Ann Archer", email="ann@example.com", number=101)
BEN = Person(login="ben", name="Ben Baker", email="ben@example.com", number=102)
NOWHERE = "f" * 40
"""A commit that no repository has."""
NO_DETAILS = Line(at=None, words="", details={})
ABOUT_ACCOUNTS = {"installation", "installation_repositories", "repository"}
HOW = {"merge": "merge", "squash": "squash", "rebase": "rebase", "fast-forward": "fast_forward"}


@dataclass(slots=True, kw_only=True)
class Played:
    """A case that happened: what was sent, in the story's order, and what its names stand for."""

    case: Case
    repository: str
    """Its RepositoryId."""
    directory: Path
    sent: list[Sent] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    """Commits (hex) by the names of the story: of a deployment the one deployed, of a pull request what it was merged as."""
    definitions: dict[str, list[str]] = field(default_factory=dict)
    """Lines of the extension of a service's definition, by the service's name in the story."""

    def real(self, text: str) -> str:
        """A text of the document with this case's own owner, services and shas."""
        text = re.sub(r"\b(acme)/", rf"\g<1>{self.case.number}/", text, flags=re.IGNORECASE)

        def sha(found: re.Match[str]) -> str:
            name, _, digits = found[1].partition(":")
            if name not in self.names:
                raise NotationError(f"case {self.case.number}: {{{name}}} is no commit yet")
            return self.names[name][: int(digits or 40)]

        return re.sub(r"\{([^{}]+)\}", sha, text)

    def service(self, name: str) -> str:
        """A service of the story, as this case calls it."""
        return f"{name}-{self.case.number}"


class Stage:
    """The forges on which cases are played."""

    def __init__(self, folder: Path) -> None:
        self.github = GitHub(folder / "github", now=FIRST_DAY, web_url="https://github.com", api_url="https://api.github.com")
        self.github.create_app(hook_url="http://127.0.0.1:9/", webhook_secret="unused")
        self.gitlab = GitLab(folder / "gitlab", now=FIRST_DAY)
        self.gitlab.external_url = "https://gitlab.example.com"

    def play(self, case: Case) -> Played:
        """Play a case; NotationError if it cannot be played."""
        on_gitlab = any(line.words.startswith("!") for line in case.lines)
        forge = self.gitlab if on_gitlab else self.github
        forge.now = FIRST_DAY
        path = f"acme{case.number}/shop"
        repo: GitHubRepo | Project
        if on_gitlab:
            repo = self.gitlab.create_repository(path)
            self.gitlab.add_hook(repo, "http://127.0.0.1:9/", token="unused")
        else:
            repo = self.github.create_repository(path)
            self.github.install(f"acme{case.number}", [repo])
        host = "gitlab.example.com" if on_gitlab else "github.com"
        play = _Play(forge, repo, Played(case=case, repository=f"{host}/{path}", directory=repo.git.directory))
        for line in case.lines:
            play.act(line)
        return play.played


class _Play:
    """One case while it is played."""

    def __init__(self, forge: GitHub | GitLab, repo: GitHubRepo | Project, played: Played) -> None:
        self.forge, self.repo, self.played = forge, repo, played
        self.git, self.names = repo.git, played.names
        self.versions: dict[str, str] = {}
        self.versions_alone = False
        self.files = 0
        self.acts: list[tuple[str, Callable[[re.Match[str], Line], None]]] = [
            (r"deployments name no commit", self._versions_alone),
            (r"(\w+) owns (.+)", self._owns),
            (r"(\w+) has rules (.+)", self._has_rules),
            (r"(D\d+) deploys ?(.*)", self._deploy),
            (r"[#!](\d+) (.+)", self._pull_request),
            (r"commit (\w+): (.+)", self._commit),
            (r"pick (\w+) of (\S+)", self._pick),
            (r"merge (\S+) into (\S+) as (\w+)", self._merge),
            (r"label [#!](\d+) (.+)", self._label),
            (r"unlabel [#!](\d+) (.+)", self._unlabel),
            (r"retitle [#!](\d+) (.+)", self._retitle),
            (r"close [#!](\d+)", self._close),
            (r"land [#!](\d+)", self._merge_later),
            (r"Ann says nothing of (D\d+) any more", self._says_nothing),
            (r"Ann says (D\d+) did not fail", self._says_not_failed),
            (r"Ann says (D\d+) failed(?:, mended by (D\d+) \((\w+)\))?", self._says_failed),
            (r"failure until (\d\d):(\d\d)", self._failure),
        ]
        self.git.commit("main", {"README.md": "Shop\n"}, message="Begin", author=BEN, at=FIRST_DAY)

    def act(self, line: Line) -> None:
        """Let a line happen, and gather what the forge sends of it."""
        if line.at is not None:
            if FIRST_DAY + line.at < self.forge.now:
                raise NotationError(f"case {self.played.case.number}: {line.words!r} is told too early")
            self.forge.now = FIRST_DAY + line.at
        for pattern, act in self.acts:
            found = re.fullmatch(pattern, line.words)
            if found is not None:
                act(found, line)
                break
        else:
            raise NotationError(f"case {self.played.case.number}: nobody can {line.words!r}")
        told = list(from_github(self.forge) if isinstance(self.forge, GitHub) else from_gitlab(self.forge))
        if "untold" not in line.details:
            self.played.sent += [one for one in told if one.headers.get("X-GitHub-Event") not in ABOUT_ACCOUNTS]

    # What people set up -------------------------------------------------------------------------------------------------

    def _versions_alone(self, _: re.Match[str], __: Line) -> None:
        self.versions_alone = True

    def _owns(self, found: re.Match[str], _: Line) -> None:
        patterns = ", ".join(f'"{one.strip()}"' for one in found[2].split(","))
        self.played.definitions.setdefault(found[1], []).append(f"source_patterns: [{patterns}]")

    def _has_rules(self, found: re.Match[str], _: Line) -> None:
        self.played.definitions.setdefault(found[1], []).append(f"rollforward_rules: {found[2]}")

    # Commits and pull requests ------------------------------------------------------------------------------------------

    def _text(self, text: str) -> str:
        return self.played.real(text).replace("\\n", "\n")

    def _written(self, line: Line) -> dict[str, str]:
        """New files of one commit."""
        self.files += 1
        named = line.details.get("files", f"work/{self.files}.txt")
        return {name.strip(): f"{self.files}\n" for name in named.split(",")}

    def _branch(self, name: str, line: Line) -> str:
        """A branch that is there, begun at `from`, else at the tip of main."""
        if self.git.find(f"refs/heads/{name}") is None:
            start = self.names[line.details["from"]] if "from" in line.details else self.git.head("main")
            self.git.create_branch(name, start)
        return name

    def _commit(self, found: re.Match[str], line: Line) -> None:
        self.forge.now += PAUSE
        branch = self._branch(line.details.get("on", "main"), line)
        message = self._text(found[2])
        self.names[found[1]] = self.repo.commit(branch, self._written(line), message=message, author=ANN)

    def _pick(self, found: re.Match[str], line: Line) -> None:
        self.forge.now += PAUSE
        branch = self._branch(line.details.get("on", "main"), line)
        committer = signature(BEN, self.forge.now)
        picked = self.git.replay(self.git.head(branch), [self.names[found[2]]], committer)
        self.names[found[1]] = picked
        self.repo.force_push(branch, picked, by=BEN)

    def _merge(self, found: re.Match[str], line: Line) -> None:
        self.forge.now += PAUSE
        source, target, name = found.groups()
        before = self.git.head(target)
        message = self._text(line.details.get("message", f"Merge branch '{source}' into {target}"))
        merged = self.git.merge(target, self.git.head(source), "merge", message=message, by=BEN, at=self.forge.now)
        self.git.force(target, before)
        self.repo.force_push(target, merged, by=BEN)
        self.names[name] = merged

    def _pull_request(self, found: re.Match[str], line: Line) -> None:
        number, details = int(found[1]), line.details
        self.forge.now += PAUSE
        branch = self._branch(self._text(details.get("branch", f"topic-{number}")), line)
        title, into = self._text(found[2]), self._branch(details.get("into", "main"), NO_DETAILS)
        self._work_on(branch, number, found[2], line)
        body = self._text(details.get("body", ""))
        labels = [label.strip() for label in details["label"].split(",")] if "label" in details else []
        opened = self.repo.open(branch, into, title=title, author=ANN, body=body, labels=labels)
        if opened != number:
            raise NotationError(f"case {self.played.case.number}: #{number} would be #{opened}")
        self._press(number, details)

    def _merge_later(self, found: re.Match[str], line: Line) -> None:
        self._press(int(found[1]), line.details)

    def _press(self, number: int, details: dict[str, str]) -> None:
        """The button that is told, if any."""
        self.forge.now += PAUSE
        for words, how in HOW.items():
            if words in details:
                self._land(number, how, self._text(details.get("landing", "")))

    def _work_on(self, branch: str, number: int, title: str, line: Line) -> None:
        """The commits of a pull request, which nobody hears of before it is opened."""
        if "picks" in line.details:
            picked = self.names[line.details["picks"]]
            self.git.force(branch, self.git.replay(self.git.head(branch), [picked], signature(BEN, self.forge.now)))
            return
        for at, message in enumerate(line.details.get("commits", line.details.get("message", title)).split(" / "), 1):
            written = self._written(line)
            self.names[f"#{number}.{at}"] = self.git.commit(
                branch, written, message=self._text(message), author=ANN, at=self.forge.now
            )
            self.forge.now += PAUSE

    def _land(self, number: int, how: str, message: str) -> None:
        if isinstance(self.repo, GitHubRepo):
            told = {"message": message} if message else {}
            self.repo.merge(number, how, by=BEN, **told)  # type: ignore[arg-type]
            self.names[f"#{number}"] = self.repo.pull(number).merge_sha or ""
            if how == "rebase":
                self._name_rebased(number)
            return
        self.names[f"#{number}"] = self.repo.merge(number, how, by=BEN)  # type: ignore[arg-type]
        squashed = self.repo.merge_requests[number].squash_commit_sha
        if squashed:
            self.names[f"#{number}.squashed"] = squashed

    def _name_rebased(self, number: int) -> None:
        """What became of each of its commits."""
        made = [name for name in self.names if name.startswith(f"#{number}.")]
        landed = self.git.commits_between(None, self.names[f"#{number}"])
        for name, sha in zip(reversed(made), reversed(landed), strict=False):
            self.names[f"{name} rebased"] = sha

    def _label(self, found: re.Match[str], _: Line) -> None:
        self.forge.now += PAUSE
        self.repo.label(int(found[1]), found[2], by=BEN)

    def _unlabel(self, found: re.Match[str], _: Line) -> None:
        self.forge.now += PAUSE
        self.repo.label(int(found[1]), remove=[found[2]], by=BEN)

    def _retitle(self, found: re.Match[str], _: Line) -> None:
        self.forge.now += PAUSE
        self.repo.retitle(int(found[1]), self._text(found[2]), by=BEN)

    def _close(self, found: re.Match[str], _: Line) -> None:
        self.forge.now += PAUSE
        self.repo.close(int(found[1]), by=BEN)

    # Deployments and what is said of them -------------------------------------------------------------------------------

    def _deploy(self, found: re.Match[str], line: Line) -> None:
        name, version = found.groups()
        sha = self._deployed(version, line.details.get("commit"))
        attributes: dict[str, object] = {
            "service": self.played.service(line.details.get("service", "shop")), "version": version,
            "env": line.details.get("env", "prod"), "started_at": self._begun(line), "finished_at": self.forge.now,
        }  # fmt: skip
        if attributes["env"] == "none":
            del attributes["env"]
        if not version:
            del attributes["version"]
        if sha:
            attributes["git"] = {"commit_sha": sha, "repository_url": f"https://{self.played.repository}.git"}
            self.names[name] = sha
        if "tags" in line.details:
            attributes["custom_tags"] = [tag.strip() for tag in line.details["tags"].split(",")]
        self.played.sent.append(called("/api/v2/dora/deployment", attributes, at=self.forge.now, name=name))

    def _begun(self, line: Line) -> int:
        begun = line.details.get("begun")
        if begun is None:
            return self.forge.now - 60
        hour, minute = begun.split(":")
        return self.forge.now - self.forge.now % 86_400 + int(hour) * 3600 + int(minute) * 60

    def _deployed(self, version: str, told: str | None) -> str:
        """The commit: as told, else that of the same version before, else the tip of main, with new work if it is deployed."""
        if told == "nowhere":
            return NOWHERE
        if told == "none" or (self.versions_alone and told is None):
            return ""
        if told is not None:
            sha = self.names[told]
        elif version in self.versions:
            return self.versions[version]
        else:
            sha = self.git.head("main")
            if sha in self.versions.values():
                begun, self.forge.now = self.forge.now, self.forge.now - 120
                sha = self.repo.commit("main", self._written(NO_DETAILS), message=f"Work for {version}", author=ANN)
                self.forge.now = begun
        self.versions[version or sha] = sha
        return sha

    def _correct(self, deployment: str, words: dict[str, object], *about: str) -> None:
        self.forge.now += PAUSE
        sent = called(f"/api/v2/dora/deployments/<{deployment}>", words, at=self.forge.now, about=(deployment, *about))
        self.played.sent.append(replace(sent, method="PATCH"))

    def _says_nothing(self, found: re.Match[str], _: Line) -> None:
        self._correct(found[1], {"change_failure": None})

    def _says_not_failed(self, found: re.Match[str], _: Line) -> None:
        self._correct(found[1], {"change_failure": False})

    def _says_failed(self, found: re.Match[str], _: Line) -> None:
        words: dict[str, object] = {"change_failure": True}
        if found[2] is None:
            self._correct(found[1], words)
        else:
            words["remediation"] = {"id": f"<{found[2]}>", "type": found[3]}
            self._correct(found[1], words, found[2])

    def _failure(self, found: re.Match[str], line: Line) -> None:
        end = self.forge.now - self.forge.now % 86_400 + int(found[1]) * 3600 + int(found[2]) * 60
        attributes = {
            "services": [self.played.service(line.details.get("service", "shop"))], "env": line.details.get("env", "prod"),
            "started_at": self.forge.now, "finished_at": end, "name": "Broken",
        }  # fmt: skip
        self.played.sent.append(called("/api/v2/dora/failure", attributes, at=end))

