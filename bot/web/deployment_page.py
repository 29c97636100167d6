"""The page of one deployment: its lead time, the whole chain of its outcome, every commit with its reason, how to check it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from aiohttp import web
from markupsafe import Markup

from bot.answers import deployments
from bot.answers.changes import ChangeShown
from bot.answers.deployment_chain import Chain, load_chain
from bot.answers.deployments import DeploymentShown
from bot.answers.explain import Explanation, explain
from bot.answers.questions import Form
from bot.answers.rows import load_deployment
from bot.dora.lead_time import STAGES
from bot.dora.metrics import summarise
from bot.store import Reader
from bot.web import words
from bot.web.auth import PRINCIPAL, READ, Row
from bot.web.charts import stacked
from bot.web.context import EXPLAIN
from bot.web.reading import asked, from_path, limit_to_services, not_found, parameters, read
from bot.web.rendering import page, render

StageRow = tuple[str, float | None, float | None, int, list[tuple[int, str]]]
"""(stage, mean, median, over how many commits, [(how many lack it, why)])."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """What was typed into the form of corrections, and what is wrong with it by field; empty when nothing was."""

    fields: Mapping[str, str] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)


NOTHING_TYPED = Typed()


async def deployment(request: web.Request) -> web.Response:
    """One deployment."""
    asked(lambda: Form(parameters(request), known=()))
    return await show_deployment(request)


async def show_deployment(request: web.Request, *, typed: Typed = NOTHING_TYPED, status: int = 200) -> web.Response:
    """The page of the deployment that the path names, with a form that holds what was typed; raises HttpError 403 or 404."""
    id, source = from_path(request, "id"), request.app[EXPLAIN]

    def work(reader: Reader) -> tuple[Explanation, Chain, dict[str, DeploymentShown | None]]:
        found, row = explain(reader, source, id), load_deployment(reader, id)
        if found is None or row is None:
            raise not_found()
        limit_to_services(request, found.deployment.service)
        chain = load_chain(reader, row, found, visible=request[PRINCIPAL].services)
        known = sorted(_others(found, chain) - {id})
        return found, chain, {other: deployments.find_deployment(reader, other) for other in known}

    found, chain, others = await read(request, work)
    stages = _stages(found.changes)
    values = {
        "others": others,
        "found": found,
        "chain": chain,
        "one": found.deployment,
        "kept": [change for change in found.changes if change.kept],
        "dropped": [change for change in found.changes if not change.kept],
        "stage_rows": stages,
        "bar": stage_bar((name, mean) for name, mean, *_ in stages),
        "typed": typed,
    }
    return render(request, "deployment.html", values, status=status)


def stage_bar(means: Iterable[tuple[str, float | None]]) -> Markup:
    """The stages' means as one bar."""
    parts = [(words.STAGE_NAMES[name], mean, words.duration(mean)) for name, mean in means]
    told = ", ".join(f"{title} {shown}" for title, _, shown in parts)
    return stacked(parts, label=f"Mean of each stage: {told}")


def _others(found: Explanation, chain: Chain) -> set[str]:
    """The deployments that the page speaks of."""
    others = {one for part in found.evidence for one in (part.deployment, part.target, part.original) if one}
    if found.deployment.merged_into is not None:
        others.add(found.deployment.merged_into)
    if found.deployment.remediation is not None:
        others.add(found.deployment.remediation.id)
    said = (*found.overrides, *(() if chain.said is None else (chain.said,)))
    return others | {one.remediation.partition(" ")[2] for one in said if one.remediation and " " in one.remediation}


def _stages(found: Sequence[ChangeShown]) -> list[StageRow]:
    """The stages over the kept commits."""
    kept = [change for change in found if change.kept]
    rows = []
    for name in STAGES:
        summary = summarise(value for change in kept if (value := change.stages[name]) is not None)
        reasons: dict[str, int] = {}
        for change in kept:
            if name in change.absent:
                reasons[change.absent[name]] = reasons.get(change.absent[name], 0) + 1
        rows.append((name, summary.mean, summary.median, summary.count, [(reasons[slug], slug) for slug in sorted(reasons)]))
    return rows


ROWS: tuple[Row, ...] = (Row("GET", "/deployments/{id}", page(deployment), READ),)
