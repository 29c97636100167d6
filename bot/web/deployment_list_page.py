"""The page that lists deployments over all services: what every count of them opens to."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from aiohttp import web

from bot.answers import services
from bot.answers.deployments import OUTCOME, CountedList, Outcome, count_deployments, parse_outcome
from bot.answers.encode import rfc3339
from bot.answers.questions import FILTERS, Form, MetricsQuestion
from bot.dora.metrics import Window, clip
from bot.store import Reader
from bot.web.auth import READ, Row
from bot.web.page_questions import options_of, parse_page
from bot.web.reading import asked, asker, limit_to_services, may_see, parameters, read
from bot.web.rendering import page, render

PARAMETERS = (*FILTERS, *OUTCOME, "days", "tz", "cursor")


async def deployment_list(request: web.Request) -> web.Response:
    """The deployments of a period, newest first, with what became of each."""
    given = parameters(request)
    view = asked(partial(parse_page, given, asker(request), known=PARAMETERS))
    outcome = asked(lambda: parse_outcome(Form([pair for pair in given if pair[0] in OUTCOME], known=OUTCOME)))
    limit_to_services(request, view.question.filters.service)
    window = _until_now(view.question)
    filters = replace(view.question.filters, from_at=window.start, to_at=window.end)

    def work(reader: Reader) -> dict[str, object]:
        found = count_deployments(reader, filters, view.page, outcome)
        known = services.load_services(reader, may_see(request, filters.service))
        return {
            "found": found,
            "ever": any(one.sources for one in known),
            "options": options_of(known, view) | _options(found, outcome),
        }

    values = await read(request, work)
    chosen: Mapping[str, str] = dict.fromkeys(OUTCOME, "") | outcome.echo
    exported = {**(filters.echo or {}), **outcome.echo, "from": rfc3339(window.start), "to": rfc3339(window.end)}
    shown = {"view": view, "window": window, "path": "/deployments", "chosen": chosen, "exported": exported}
    return render(request, "deployments.html", {**shown, **values}, tz=view.question.tz)


def _until_now(question: MetricsQuestion) -> Window:
    """The window that metrics have: what finished later than now is none of it."""
    from_at, to_at = question.filters.from_at, question.filters.to_at
    return clip(Window(start=from_at or 0, end=question.now if to_at is None else to_at), now=question.now, first_event=None)


def _options(found: CountedList, outcome: Outcome) -> dict[str, list[str]]:
    """What can be asked of outcomes: for rework cards alone ask, and whether they count is a question only where some do not."""
    needless = {"rework"} | ({"counted"} if found.counted == found.total else set())
    return {name: [] if name in needless and name not in outcome.echo else list(each) for name, each in OUTCOME.items()}


ROWS: tuple[Row, ...] = (Row("GET", "/deployments", page(deployment_list), READ),)
