"""A store filled by hand: rows as the pipeline would have written them, small for a test or a whole organisation to look at."""

import hashlib
import json
import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from bot.dora.changes import Candidate
from bot.dora.commits import Sha
from bot.dora.instants import DAY, HOUR, MINUTE, SECOND, Duration, Instant
from bot.dora.lead_time import STAGES
from bot.dora.reasons import Dropped
from bot.store import Reader, Store, Writer
from bot.store.tables import TABLES

MISSING = ("no_pull_request",) * 3


def sha(text: str) -> Sha:
    """A sha out of any text."""
    return hashlib.sha1(text.encode(), usedforsecurity=False).digest()


@dataclass(frozen=True, kw_only=True)
class Change:
    """A kept change: its lead time, the five stages, and why they are absent."""

    sha: Sha
    lead_time: Duration | None
    stages: tuple[Duration | None, ...] = (None,) * 5
    absent: tuple[str, ...] = ("",) * 5
    number: int | None = None
    redeployed: bool = False
    first_delivery: bool = True
    original_of: Sha | None = None


@dataclass
class Seed:
    """Collects rows, writes them at once; also says what a history would (`ExplainSource`)."""

    rows: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    listed: dict[str, list[Candidate]] = field(default_factory=dict)
    backwards: dict[str, list[Sha]] = field(default_factory=dict)

    def write(self, store: Store) -> None:
        """All rows in one transaction."""
        tables = {name: TABLES[name].columns for name in self.rows}
        ready = {name: [[row[column] for column in tables[name]] for row in rows] for name, rows in self.rows.items()}

        def work(writer: Writer) -> None:
            for name in sorted(ready):
                writer.write_many(name, ready[name])

        store.write(work)

    def candidates(self, reader: Reader, deployment_id: str, /) -> Sequence[Candidate]:
        """What the deployment's range held."""
        return self.listed.get(deployment_id, [])

    def taken_back(self, reader: Reader, deployment_id: str, /) -> Sequence[Sha]:
        """What a move backwards took back."""
        return self.backwards.get(deployment_id, [])

    def repository(self, id: int, name: str, *, synced_at: Instant | None = None, **more: Any) -> None:
        """A repository and its two refs."""
        forge = "gitlab" if name.startswith("gitlab") else "github"
        row = {"id": id, "name": name, "forge": forge, "forge_id": "", "remote": f"https://{name}.git", "is_local": 0}
        row |= {"default_branch": "main", "synced_from": synced_at, "synced_at": synced_at}
        self.rows["repository"].append(row | more)
        for ref in ("refs/heads/main", "refs/tags/v1"):
            self.rows["git_ref"].append({"repository_id": id, "name": ref, "sha": sha(ref), "tagged_at": None})

    def path(self, repository_id: int, path: str) -> None:
        """A path that the repository has."""
        n = 1 + sum(row["repository_id"] == repository_id for row in self.rows["git_path"])
        self.rows["git_path"].append({"repository_id": repository_id, "id": n, "path": path.encode()})

    def commit(self, repository_id: int, name: str, *, at: Instant, author: str, subject: str) -> Sha:
        """A commit named `name`; its sha."""
        n = len(self.rows["git_commit"]) + 1
        row = {"repository_id": repository_id, "n": n, "sha": sha(name), "completeness": 3, "parents": b""}
        row |= {"authored_second": at // SECOND, "committed_second": at // SECOND, "author": author, "subject": subject, "body": "", "paths": b""}
        self.rows["git_commit"].append(row)
        return sha(name)

    def pull_request(self, repository_id: int, number: int, *, updated_at: Instant, title: str, **more: Any) -> None:
        """A pull request; merged at `merged_at` if given."""
        row = {"repository_id": repository_id, "number": number, "title": title, "body": "", "head_ref": "topic"}
        row |= {"base_ref": "main", "labels": "[]", "author": "ada", "state": "merged", "created_at": updated_at - DAY}
        row |= {"updated_at": updated_at, "merged_at": updated_at, "merge_sha": None, "squash_sha": None}
        row |= {"head_sha": None, "readiness": "[]", "reviews": "[]", "orders": "{}"}
        self.rows["pull_request"].append(row | more)

    def deployment(self, id: str, service: str, finished_at: Instant, *, env: str = "prod", **more: Any) -> None:
        """A deployment without anything derived."""
        row = {"id": id, "service": service.lower(), "env": env.lower(), "service_shown": service, "env_shown": env}
        row |= {"version": "", "repository": "", "repository_url": "", "commit_sha": None, "team": "", "tags": "[]"}
        row |= {"started_at": finished_at - 5 * MINUTE, "finished_at": finished_at, "source": "api"}
        row |= {"received_at": finished_at, "receipt": len(self.rows["deployment"]) + 1, "inferred_from": "", "gone": 0}
        self.rows["deployment"].append(row | more)

    def derived(
        self,
        id: str,
        *changes: Change,
        type: str = "standard",
        repository_id: int = 1,
        dropped: Sequence[Candidate] = (),
        type_flags: Sequence[str] = (),
        near_misses: Sequence[Sequence[str]] = (),
        failed: int | None = None,
        **more: Any,
    ) -> None:
        """What was derived of a deployment."""
        values = sorted(one.lead_time for one in changes if one.lead_time is not None)
        counts: dict[str, int] = defaultdict(int)
        for candidate in dropped:
            counts[str(candidate.reason)] += 1
        middle = (values[(len(values) - 1) // 2] + values[len(values) // 2]) // 2 if values else None
        row = {"deployment_id": id, "predecessor": None, "not_computed": None, "flags": "[]"}
        row |= {"dropped": json.dumps(counts), "kept": len(changes), "redeployed": sum(c.redeployed for c in changes)}
        row |= {"with_lead_time": len(values), "mean": round(sum(values) / len(values)) if values else None}
        row |= {"median": middle, "least": values[0] if values else None, "greatest": values[-1] if values else None}
        row |= {"merged_into": None, "version": "", "repository": "", "commit_sha": None}
        self.rows["change_set"].append(row | more)
        self.rows["classification"].append(
            {
                "deployment_id": id,
                "type": type,
                "flags": json.dumps(list(type_flags)),
                "reasons": json.dumps([list(one) for one in near_misses]),
                "failed": failed,
            }
        )
        for position, change in enumerate(changes):
            self.rows["change"].append(
                {
                    "deployment_id": id,
                    "sha": change.sha,
                    "position": position,
                    "repository_id": repository_id,
                    "original_of": change.original_of,
                    "number": change.number,
                    "redeployed": int(change.redeployed),
                    "first_delivery": int(change.first_delivery),
                    "lead_time": change.lead_time,
                    **dict(zip(STAGES, change.stages, strict=True)),
                    "absent": ",".join(change.absent),
                }
            )
        kept = [Candidate(sha=c.sha, original_of=c.original_of, redeployed=c.redeployed) for c in changes]
        self.listed[id] = kept + list(dropped)

    def remediation(self, id: str, target: str, *, type: str = "rollback", **more: Any) -> None:
        """Deployment `id` remediated `target`."""
        row = {"deployment_id": id, "target": target, "type": type, "rule": type, "field": "version"}
        self.rows["remediation"].append(row | {"value": "", "original": ""} | more)

    def definition(self, service: str, *, team: str = "", patterns: Sequence[str] | None = None, **more: Any) -> None:
        """A service definition in force."""
        row = {"service": service.lower(), "shown": service, "schema_version": "v2.2", "team": team, "tags": "[]"}
        row |= {"languages": "[]", "source_patterns": None if patterns is None else json.dumps(list(patterns))}
        row |= {"links": "[]", "location": f"service_definitions/{service}.yaml:1", "code_locations": "[]", "repository_id": 0}
        row |= {"rules": "", "pagerduty": ""}
        self.rows["definition"].append(row | more)
        self.rows["definition_claim"].append({"rank": 0, "path": "", "document": ""} | row | more)

    def claim(self, service: str, *, path: str = "service.datadog.yaml", **more: Any) -> None:
        """What a file in a repository says of a service, in force or not."""
        row = {"service": service.lower(), "shown": service, "schema_version": "v3", "team": "", "tags": "[]", "languages": "[]"}
        row |= {"source_patterns": None, "links": "[]", "code_locations": "[]", "location": f"{path}:4"}
        row |= {"rules": "", "pagerduty": "", "document": ""}
        self.rows["definition_claim"].append(row | {"rank": 2, "repository_id": 1, "path": path} | more)

    def delivery(self, received_at: Instant, *, event: str = "push", state: str = "done", **more: Any) -> int:
        """A delivery in the inbox; its id."""
        id = len(self.rows["inbox"]) + 1
        row = {"id": id, "source": "github", "key": f"key-{id}", "event": event, "received_at": received_at}
        row |= {"headers": "{}", "body": b"", "encoding": "", "state": state, "reason": "", "attempts": 1}
        self.rows["inbox"].append(row | {"run_at": received_at} | more)
        return id


AUTHORS = ("Ada Lovelace <ada@example.com>", "Grace Hopper <grace@example.com>", "Linus Pauling <linus@example.com>")
SUBJECTS = (
    "Retry the payment provider with back-off", "Show the delivery date in the basket", "Cache the price list",
    "Drop the old discount column", "Round half to even in totals", "Log the request id", "Speed up the search index",
    "Translate the mails to German", "Validate postcodes by country", "Move thumbnails to object storage",
)  # fmt: skip


def organisation(now: Instant, *, days: int = 90) -> Seed:
    """Three services of a monorepo and one of a nested GitLab project, over about `days` days, always the same."""
    seed, dice = Seed(), random.Random(7)
    seed.repository(1, "github.com/acme/shop", synced_at=now - 7 * MINUTE)
    seed.repository(2, "gitlab.example.com/platform/search/indexer", synced_at=now - 3 * HOUR)
    seed.repository(3, "github.com/acme/legacy", synced_at=None)
    broken = {"repository_id": 3, "ref": "*", "wanted_at": now - HOUR, "version": 1, "attempts": 3}
    seed.rows["fetch"].append(broken | {"run_at": now + 4 * MINUTE, "error": "authentication failed (HTTP 403)"})
    for path in ("services/checkout/app.py", "services/catalog/db.py", "libs/money.py", "README.md"):
        seed.path(1, path)
    seed.definition("checkout", team="payments", patterns=["services/checkout/**", "libs/**"], languages='["python"]')
    seed.definition("catalog", team="storefront", tags='["tier:1"]', patterns=["services/catalog/**", "docs/missing/**"])
    link = [["Source", "https://gitlab.example.com/platform/search/indexer"]]
    seed.definition("indexer", team="search", links=json.dumps(link))
    seed.definition("mailer", team="storefront", patterns=["services/mailer/**"])
    problem = {"file": "service_definitions/mailer.yaml", "line": 4, "column": 9, "severity": "warning"}
    problem["message"] = "services/mailer/**: matches no file of github.com/acme/shop"
    catalog = {"digest": "", "received_at": now - DAY}
    seed.rows["catalog"].append(catalog | {"kind": "definitions", "body": "", "problems": json.dumps([problem])})
    rules = {"version": 1, "linked": [{"id": "revert-title", "field": "pr_title", "pattern": '^Revert "$pr_title"$'}]}
    rules |= {"static": [{"id": "hotfix-label", "field": "pr_label", "pattern": "(?i)hot[-_ ]?fix"}]}
    rules["options"] = {"rollback": "strict", "reland": "parity", "formula": "all"}
    seed.rows["catalog"].append(catalog | {"kind": "rules", "body": json.dumps(rules), "problems": "[]"})
    plans = (("checkout", 1, 1.7), ("catalog", 1, 3.1), ("indexer", 2, 6.5), ("web", 1, 9.0))
    for service, repository_id, gap in plans:
        _series(seed, dice, service, repository_id, now=now, days=days, gap=gap)
    _series(seed, dice, "checkout", 1, now=now, days=20, gap=0.9, env="staging")
    for n in range(30):
        state = "dead" if n == 5 else "ignored" if n % 7 == 0 else "done"
        reason = {"dead": "body: not JSON at byte 12", "ignored": "event_not_used"}.get(state, "")
        event = ("push", "pull_request", "pull_request_review")[n % 3]
        seed.delivery(now - n * 47 * MINUTE, event=event, state=state, reason=reason)
    return seed


def _series(
    seed: Seed, dice: random.Random, service: str, repository_id: int, *, now: Instant, days: int, gap: float, env: str = "prod"
) -> None:
    name = seed.rows["repository"][repository_id - 1]["name"]
    at, number, previous = now - days * DAY + dice.randrange(86_400) * SECOND, 0, ""
    while at < now - HOUR:
        number += 1
        id = f"{service}-{env}-{number}"
        rolled_back = number > 3 and dice.random() < 0.07
        version = f"v{number - 2}" if rolled_back else f"v{number}"
        tip = sha(f"{service} {version}")
        git = {} if service == "web" else {"repository": name, "repository_url": f"https://{name}", "commit_sha": tip}
        seed.deployment(
            id, service, at, env=env, version=version, started_at=at - dice.randrange(2, 9) * MINUTE, **git
        )
        if service == "web":
            seed.derived(id, not_computed="no_git", predecessor=previous or None)
        elif number == 1:
            seed.derived(id, not_computed="first_deployment")
        elif rolled_back:
            seed.derived(id, type="rollback", not_computed="moved_backwards", predecessor=previous)
            seed.remediation(id, previous, value=version, original=version)
            seed.backwards[id] = [sha(f"{service} v{number - 1}")]
        else:
            hotfix = number > 2 and dice.random() < 0.08
            kept = [_change(seed, dice, service, id, n, repository_id, at) for n in range(dice.randrange(1, 7))]
            reasons = [Dropped.MERGE, Dropped.PATH, Dropped.PATH, Dropped.SQUASHED][: dice.randrange(5)]
            dropped = [Candidate(sha=_commit(seed, dice, f"{id} out {n}", repository_id, at - DAY), reason=reason)
                       for n, reason in enumerate(reasons)]  # fmt: skip
            misses = [["revert-title", "unknown_original", 'Revert "Cache the price list"']] if number % 11 == 0 else []
            kind = "rollforward" if hotfix else "standard"
            seed.derived(id, *kept, type=kind, repository_id=repository_id, dropped=dropped, predecessor=previous,
                         near_misses=misses)  # fmt: skip
            if hotfix:
                seed.remediation(id, previous, type="rollforward", rule="hotfix-label", field="pr_label", value="hotfix")
        previous = id
        at += int(dice.expovariate(1 / gap) * 86_400 * (0.4 if rolled_back else 1)) * SECOND + 20 * MINUTE


def _commit(seed: Seed, dice: random.Random, name: str, repository_id: int, at: Instant) -> Sha:
    return seed.commit(repository_id, name, at=at, author=dice.choice(AUTHORS), subject=dice.choice(SUBJECTS))


def _change(
    seed: Seed, dice: random.Random, service: str, id: str, n: int, repository_id: int, at: Instant
) -> Change:
    lead = dice.choice((2 * HOUR, 9 * HOUR, DAY, 2 * DAY, 4 * DAY)) + dice.randrange(18_000) * SECOND
    commit = _commit(seed, dice, f"{id} in {n}", repository_id, at - lead)
    if dice.random() < 0.2:
        deploy = 4 * MINUTE
        return Change(sha=commit, lead_time=lead, stages=(None, None, None, lead - deploy, deploy), absent=(*MISSING, "", ""))
    number = len(seed.rows["pull_request"]) + 1
    cuts = sorted(dice.random() for _ in range(3))
    bounds = [0, *(int(cut * (lead - 4 * MINUTE)) // SECOND * SECOND for cut in cuts), lead - 4 * MINUTE, lead]
    stages = tuple(late - early for early, late in pairwise(bounds))
    title = dice.choice(SUBJECTS)
    seed.pull_request(repository_id, number, updated_at=at - bounds[-1] + bounds[3], title=title, merge_sha=commit)
    seed.rows["landing"].append(
        {"repository_id": repository_id, "number": number, "kind": dice.choice(("squash", "merge", "rebase")), "flag": ""}
        | {"merged_at": at - lead + bounds[3], "ready_at": at - lead + bounds[1], "approved_at": at - lead + bounds[2]}
    )
    return Change(sha=commit, lead_time=lead, stages=stages, number=number, redeployed=n > 4)
