"""What a page is asked for: the API's parameters with what pages add, and what each filter can be set to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from bot.answers.encode import rfc3339
from bot.answers.questions import (
    FILTERS,
    METRICS_PARAMETERS,
    Asker,
    Form,
    MetricsQuestion,
    Page,
    UnknownParameterError,
    parse_metrics,
)
from bot.answers.services import ServiceShown
from bot.dora.instants import DAY

PAGE_PARAMETERS = (*FILTERS, "days", "tz", "unit", "formula", "first_delivery", "cursor")
PER_PAGE = 25


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a page was asked for. `given` are the parameters to keep in links; `implied` when production was preselected."""

    question: MetricsQuestion
    days: int | None
    env: str
    implied: bool
    given: Mapping[str, str | tuple[str, ...]]
    page: Page


def parse_page(
    given: Sequence[tuple[str, str]], who: Asker, *, service: str | None = None, known: Sequence[str] = PAGE_PARAMETERS,
    key: Sequence[type[int] | type[str]] = (int, str),
) -> Asked:  # fmt: skip
    """A page's parameters: the API's, and `days`; production is preselected, `env=all` takes that back. Raises QuestionError.

    Who says `days` means the last ones: a form still has the window that they are to replace.

    `known` are the page's own; what is no question for metrics is kept and left to the caller. `key` are the kinds of a cursor's values.
    """
    if service is not None:
        known = tuple(name for name in known if name != "service")
    for name, _ in given:
        if name not in known:
            raise UnknownParameterError(name[:80], f"There is no parameter {name[:80]!r} here.")
    form = Form([pair for pair in given if pair[0] in ("days", "env", "cursor")], known=known)
    days = form.whole("days", most=36_500)
    if days is not None:
        given = [pair for pair in given if pair[0] not in ("from", "to")]
    asked_env = (form.text("env") or "").lower()
    env = asked_env or "production"
    rest = [(name, value) for name, value in given if name in METRICS_PARAMETERS and name != "env" and value.strip()]
    window = {name for name, _ in rest} & {"from", "to"}
    if env != "all":
        rest.append(("env", env))
    if service is not None:
        rest.append(("service", service))
    if days is not None:
        rest.append(("from", rfc3339(max(0, who.now - days * DAY))))
    question = parse_metrics(rest, who)
    keep: dict[str, str | tuple[str, ...]] = {
        name: value for name, value in given if value.strip() and name not in ("cursor", "tag")
    }
    if question.filters.tags:
        keep["tag"] = question.filters.tags
    return Asked(
        question=question,
        days=None if window else int(days or 30),
        env=env,
        implied=not asked_env,
        given=keep,
        page=replace(form.page(*key), limit=PER_PAGE),
    )


def asked_for(one: ServiceShown, view: Asked) -> bool:
    """Whether a service matches the filters of a page."""
    filters = view.question.filters
    return (
        filters.service in (None, one.name)
        and (filters.team is None or filters.team == (one.team or "").strip().lower())
        and (filters.repository is None or filters.repository in one.repositories)
        and not filters.tags
        and filters.source is None
    )


def options_of(known: Sequence[ServiceShown], view: Asked) -> dict[str, list[str]]:
    """What each filter can be set to; what is set already is among it."""
    found = {
        "service": {one.name for one in known},
        "team": {(one.team or "").strip().lower() for one in known},
        "env": {env.strip().lower() for one in known for env in one.envs if env},
        "repository": {name for one in known for name in one.repositories},
        "source": {name for one in known for name in one.sources},
    }
    for name, value in (view.question.filters.echo or {}).items():
        if name in found and isinstance(value, str):
            found[name].add(value)
    return {name: sorted(values - {"", "all", "none", "production"}) for name, values in found.items()}
