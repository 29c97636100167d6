"""One check run per head commit, edited in place, as GitHub's rules for check runs demand.

Rules: an edit adds annotations and takes none away, so a run that holds annotations is superseded by a new one of the same name
when they change. What a run says is named in its `external_id`: an interrupted report is taken up where it stopped.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence

from bot.forges.client import Annotation, Report
from bot.forges.github.objects import CheckRunObject

NAME = "Rollforward"
ANNOTATIONS_PER_CALL = 50
LONGEST_OUTPUT = 65_535
LONGEST_TITLE = 255
LONGEST_MESSAGE = 16_000
_CUT = "\n\n… (cut: GitHub shows no more)"

Json = Mapping[str, object]


def external_id(report: Report) -> str:
    """What this report says, in short: equal reports have equal ids."""
    told = json.dumps([
        report.conclusion, report.title, report.summary, report.details_url,
        [[one.path, one.line, one.level, one.message] for one in report.annotations],
    ])  # fmt: skip
    return f"rollforward/{report.number}/{hashlib.sha256(told.encode(errors='replace')).hexdigest()[:32]}"


def ours(runs: Sequence[CheckRunObject], report: Report) -> CheckRunObject | None:
    """The newest of these that speaks of the same pull request."""
    about = f"rollforward/{report.number}/"
    return max((run for run in runs if (run.external_id or "").startswith(about)), key=lambda run: run.id, default=None)


def steps(report: Report, run: CheckRunObject | None) -> Iterator[tuple[bool, Json]]:
    """What is still to be said, call by call: (whether a new run is made, the body)."""
    same = run is not None and run.external_id == external_id(report)
    held = run.output.annotations_count if run is not None else 0
    if same and held >= len(report.annotations):
        return
    new = run is None or (held > 0 and not same)
    start = held if same else 0
    first = True
    while first or start < len(report.annotations):
        part = report.annotations[start : start + ANNOTATIONS_PER_CALL]
        yield new and first, _body(report, part)
        start, first = start + len(part), False


def _body(report: Report, annotations: Sequence[Annotation]) -> Json:
    body: dict[str, object] = {
        "name": NAME,
        "head_sha": report.head_sha,
        "external_id": external_id(report),
        "status": "completed",
        "conclusion": report.conclusion,
        "output": {
            "title": report.title[:LONGEST_TITLE],
            "summary": _cut(report.summary),
            "annotations": [_annotation(one) for one in annotations],
        },
    }
    if report.details_url:
        body["details_url"] = report.details_url
    return body


def _annotation(one: Annotation) -> Json:
    return {
        "path": one.path,
        "start_line": max(1, one.line),
        "end_line": max(1, one.line),
        "annotation_level": one.level,
        "message": one.message[:LONGEST_MESSAGE] or "–",
    }


def _cut(text: str) -> str:
    """GitHub counts characters; bytes are the safe reading."""
    raw = text.encode(errors="replace")
    if len(raw) <= LONGEST_OUTPUT:
        return text
    return raw[: LONGEST_OUTPUT - len(_CUT.encode())].decode(errors="ignore") + _CUT
