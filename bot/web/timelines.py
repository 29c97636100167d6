"""A failure as a picture: its periods as one bar, the deployments around it as marks above; every picture also says it in words.

Rules: the time before a failure takes the first third, whatever it measures, the failure itself the rest: a failure of ten minutes
would be a hair in a day. No text stands in the picture, which is stretched to its place; the page writes the axis below.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from bot.answers.failure_detail import BEFORE, Around, FailureDetail
from bot.dora.instants import Instant
from bot.web import words

WIDTH, HEIGHT = 900, 64
BEGAN, ENDED = 300, 860
"""Where on the axis a failure begins and ends."""
_PICTURE = Markup(
    '<svg class="timeline" viewBox="0 0 {} {}" role="img" aria-label="{}" preserveAspectRatio="none">{}</svg>'
)
_SPAN = Markup('<rect class="state-{}" x="{:.1f}" y="38" width="{:.1f}" height="20"><title>{}</title></rect>')
_MARK = Markup('<line class="mark {}" x1="{:.1f}" x2="{:.1f}" y1="6" y2="34"><title>{}</title></line>')
_BASE = Markup('<line class="base" x1="0" x2="{}" y1="58" y2="58"/><line class="base" x1="{}" x2="{}" y1="0" y2="58"/>')


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """A picture and the instants of its axis: where it begins, where the failure began, where it ended (or is now)."""

    picture: Markup
    from_at: Instant
    began_at: Instant
    until: Instant


@dataclass(frozen=True, slots=True)
class _Axis:
    from_at: Instant
    began_at: Instant
    until: Instant

    def x(self, at: Instant) -> float:
        """Where an instant lies; what comes after the end shares the rest of the width."""
        if at <= self.began_at:
            return BEGAN * max(0, at - self.from_at) / max(1, self.began_at - self.from_at)
        return min(WIDTH - 6, BEGAN + (ENDED - BEGAN) * (at - self.began_at) / max(1, self.until - self.began_at))


def failure_timeline(detail: FailureDetail, *, now: Instant) -> Timeline:
    """A failure drawn."""
    one = detail.failure
    until = max(one.started_at + 1, now if one.finished_at is None else one.finished_at)
    before = [near.deployment.finished_at for near in detail.deployments if near.when == "before"]
    from_at = min(max(0, one.started_at - BEFORE, min(before, default=0)), one.started_at - 1)
    from_at -= (one.started_at - from_at) // 20
    axis = _Axis(from_at, one.started_at, until)
    body = [_BASE.format(WIDTH, BEGAN, BEGAN)]
    for span in detail.spans:
        end = until if span.finished_at is None else min(span.finished_at, until)
        if end > span.started_at:
            left = axis.x(max(span.started_at, from_at))
            title = f"{span.state} for {words.duration(end - span.started_at)}"
            body.append(_SPAN.format(span.state, left, max(3.0, axis.x(end) - left), title))
    for near in detail.deployments:
        at = axis.x(near.deployment.finished_at)
        body.append(_MARK.format(tone(near), at, at, _told(near)))
    label = _label(detail, until)
    picture = _PICTURE.format(WIDTH, HEIGHT, label, Markup("").join(body))
    return Timeline(picture=picture, from_at=from_at, began_at=one.started_at, until=until)


def tone(near: Around) -> str:
    """What a deployment was: failed, mended another, or neither."""
    return "failed" if near.deployment.change_failure else "mended" if near.mends else "plain"


def _told(near: Around) -> str:
    one = near.deployment
    name = " ".join(text for text in (one.service, one.version) if text)
    return f"{name}, {tone(near)}" if tone(near) != "plain" else name


def _label(detail: FailureDetail, until: Instant) -> str:
    spans = ", then ".join(
        f"{span.state} for {words.duration((until if span.finished_at is None else span.finished_at) - span.started_at)}"
        for span in detail.spans
        if span.finished_at is not None or span.state != "resolved"
    )
    return f"The failure was {spans or detail.failure.state}. {_counted(detail.deployments)}"


def _counted(around: Sequence[Around]) -> str:
    before, rest = (sum((near.when == "before") is first for near in around) for first in (True, False))
    return f"Deployments before it: {before}, since it began: {rest}."
