"""What somebody told of failures in the story: when it began, and again when it was over."""

from collections.abc import Iterator
from dataclasses import dataclass

from bot.demo.deliveries import Delivery
from bot.demo.history import Moment
from bot.demo.organisation import Organisation
from bot.standins.forge import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureSpec:
    """A failure as it is reported; `ended` is "" while it lasts."""

    key: str
    name: str
    services: tuple[str, ...]
    env: str
    severity: str
    version: str
    began: Moment
    ended: Moment


FAILURES = (
    FailureSpec(
        key="X1", name="Refunds are booked twice", services=("checkout",), env="prod", severity="SEV-1", version="",
        began="-78 15:30", ended="-75 13:10",
    ),
    FailureSpec(
        key="X2", name="Statements miss a day", services=("ledger",), env="production", severity="SEV-2", version="1.2.0",
        began="-23 12:30", ended="-21 11:20",
    ),
    FailureSpec(
        key="X3", name="Images load slowly", services=("web", "checkout"), env="prod", severity="SEV-3", version="",
        began="-13 12:00", ended="-13 12:20",
    ),
    FailureSpec(
        key="X4", name="Invoices cannot be paid", services=("checkout",), env="prod", severity="SEV-2", version="",
        began="-12 10:40", ended="-12 11:30",
    ),
    FailureSpec(
        key="X5", name="Product pages are stale", services=("catalog",), env="prod", severity="SEV-3", version="",
        began="-1 09:30", ended="",
    ),
)  # fmt: skip


def failure_calls(organisation: Organisation) -> Iterator[Delivery]:
    """A call for the beginning of each failure, and one for its end; both have no id and are matched by what they say."""
    for spec in FAILURES:
        yield _call(organisation, spec, f"failure {spec.key}", at=spec.began, over=False)
        if spec.ended:
            yield _call(organisation, spec, f"failure {spec.key} is over", at=spec.ended, over=True)


def _call(organisation: Organisation, spec: FailureSpec, name: str, *, at: Moment, over: bool) -> Delivery:
    attributes: dict[str, Json] = {
        "services": list(spec.services), "env": spec.env, "name": spec.name, "severity": spec.severity,
        "started_at": organisation.at(spec.began),
    }  # fmt: skip
    if spec.version:
        attributes["version"] = spec.version
    if over:
        attributes["finished_at"] = organisation.at(spec.ended)
    return Delivery(
        at=organisation.at(at), name=name, path="/api/v2/dora/failure", kind="api", event="failure",
        payload={"data": {"attributes": attributes}}, base=organisation.base,
    )  # fmt: skip
