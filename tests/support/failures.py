"""Failures of every kind for a seeded store."""

from typing import Any

import msgspec

from bot.dora.failures import NewFailure, State
from bot.dora.incidents import IncidentSaid, StateSaid
from bot.dora.instants import DAY, HOUR, MINUTE, Duration, Instant
from bot.facts.failures import failure_row
from bot.store.tables import TABLES
from tests.support.seed import Seed, organisation

COLUMNS = TABLES["failure"].columns


def add_failure(
    seed: Seed, id: str, services: str, started_at: Instant, lasted: Duration | None = None, *, env: str = "prod",
    source: str = "api", team: str = "", tags: tuple[str, ...] = (), **more: Any,
) -> None:  # fmt: skip
    """A failure of some services (names apart by a space); without `lasted` it is open."""
    finished_at = None if lasted is None else started_at + lasted
    given: dict[str, Any] = {"name": id, "severity": "", "version": "", "commit_sha": None, "time_to_restore": lasted}
    given |= {"state": State.ACTIVE if lasted is None else State.RESOLVED, "finished_at": finished_at}
    new = NewFailure(
        id=id, source=source, services=tuple(services.split()), teams=(team,) if team else (), envs=(env,) if env else (),
        repository_url="", repository="", started_at=started_at, tags=tags, **(given | more),
    )  # fmt: skip
    row = dict(zip(COLUMNS, failure_row(new, received_at=started_at), strict=True))
    seed.rows["failure"].append(row)


def add_incident(seed: Seed, id: str, services: str, *states: tuple[str, Instant], **more: Any) -> None:
    """An incident with its states, each from an instant on; the failure that it is says what `more` says."""
    at = states[0][1]
    said = IncidentSaid(title=id, states=tuple(StateSaid(state=State(word), at=since) for word, since in states))
    seed.rows["incident"].append({"id": id, "public_id": len(seed.rows["incident"]) + 1, "created_at": at})
    body = msgspec.json.encode(said).decode()
    seed.rows["incident_event"].append({"incident_id": id, "received_at": at, "receipt": 1, "body": body})
    state, since = states[-1]
    ended = {"finished_at": since if state == "resolved" else None}
    add_failure(seed, id, services, at, source="incidents", state=State(state), **ended, **more)


def troubled(now: Instant) -> Seed:
    """The organisation, and what went wrong there; its inbox is empty, so that a server may number what comes."""
    seed = organisation(now)
    seed.rows["inbox"].clear()
    failed = {row["target"]: row["deployment_id"] for row in seed.rows["remediation"]}
    ends = {row["id"]: row["finished_at"] for row in seed.rows["deployment"]}
    versions = {row["id"]: row["version"] for row in seed.rows["deployment"]}
    of_checkout = sorted(id for id in failed if id.startswith("checkout-prod"))
    broken, mended = of_checkout[-1], failed[of_checkout[-1]]
    began = ends[broken] + 12 * MINUTE
    add_failure(
        seed, "payments-500", "checkout", began, ends[mended] - began + 4 * MINUTE, name="Payments answer 500", severity="High",
        tags=("department:shop",),
    )
    named = of_checkout[0]
    add_failure(seed, "named-version", "checkout", ends[named] + 5 * HOUR, 35 * MINUTE, name="Totals are wrong by a cent",
                severity="Low", version=versions[named])  # fmt: skip
    add_failure(seed, "search-down", "indexer catalog", now - 3 * HOUR, name="Search finds nothing", severity="Critical")
    add_failure(seed, "mails-late", "mailer", now - 40 * DAY, name="Mails arrive a day late", severity="Low")
    add_failure(seed, "team-only", "", now - 6 * DAY, 2 * HOUR, team="storefront", name="The shop window is dark")
    add_failure(seed, "staging-broke", "checkout", now - 2 * DAY, HOUR, env="staging", name="Staging is broken")
    add_failure(seed, "issue-77", "catalog", now - 5 * DAY, HOUR, source="github", name="Prices are in cents")
    at = now - 2 * DAY
    spans = (("active", at), ("stable", at + 20 * MINUTE), ("active", at + 50 * MINUTE), ("stable", at + 55 * MINUTE),
             ("resolved", at + 90 * MINUTE))  # fmt: skip
    add_incident(seed, "incident-1", "catalog", *spans, name="Images do not load", severity="SEV-2", time_to_restore=25 * MINUTE)
    at = now - 90 * MINUTE
    add_incident(seed, "incident-2", "web", ("active", at), ("stable", at + 30 * MINUTE), name="Login loops", severity="SEV-3",
                 time_to_restore=30 * MINUTE)  # fmt: skip
    correct(seed, "checkout-prod-45", at=now - 3 * HOUR, reason="Orders were lost; nobody noticed until the audit.", mended_by="checkout-prod-46")
    return seed


def correct(seed: Seed, id: str, *, at: Instant, reason: str, mended_by: str) -> None:
    """A person said that a deployment failed and was rolled forward by another; what follows from it is derived."""
    key = {"id": "k1", "name": "Ada's laptop", "digest": b"k1", "scopes": "[]", "services": "[]", "created_at": at, "revoked_at": None}
    seed.rows["api_key"].append(key)
    said = {"deployment_id": id, "received_at": at, "receipt": 1, "told_by": "k1", "reason": reason, "change_failure": "true"}
    seed.rows["deployment_override"].append(said | {"remediation_type": "rollforward", "remediation_id": mended_by})
    next(row for row in seed.rows["classification"] if row["deployment_id"] == id)["failed"] = 1
    next(row for row in seed.rows["classification"] if row["deployment_id"] == mended_by)["type"] = "rollforward"
    seed.remediation(mended_by, id, type="rollforward", rule="override", field="override", value="k1", original=mended_by)


