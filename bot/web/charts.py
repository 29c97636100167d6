"""Small charts as SVG, drawn by the server: numbers in, markup out; every one has a text beside it that says the same.

Rules: no style attribute (the Content-Security-Policy forbids it), colours come from the style sheet's classes; texts are escaped.
"""

from collections.abc import Iterator, Sequence

from markupsafe import Markup, escape

_SPARK = Markup(
    '<svg class="spark" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img"'
    ' aria-label="{label}" preserveAspectRatio="none">{body}</svg>'
)
_DOT = Markup('<path class="{}" d="M{:.1f} {:.1f}h0"/>')
"""A round cap of a line without length: it stays round when the picture is stretched."""
_COLUMNS = Markup('<svg class="chart" viewBox="0 0 {width} {height}" role="img" aria-label="{label}">{body}</svg>')


def sparkline(values: Sequence[float | None], *, label: str, width: int = 132, height: int = 36) -> Markup:
    """A line through the values that are known; unknown ones leave a gap, lone ones are dots."""
    known = [value for value in values if value is not None]
    if not known:
        return Markup("")
    pad, top = 4, max(known)
    span = max(1, len(values) - 1)
    points = [
        None if value is None else (pad + at * (width - 2 * pad) / span, height - pad - (height - 2 * pad) * _part(value, top))
        for at, value in enumerate(values)
    ]
    body = [Markup('<line class="base" x1="0" x2="{}" y1="{}" y2="{}"/>').format(width, height - 1, height - 1)]
    for run in _runs(points):
        if len(run) > 1:
            path = " ".join(f"{x:.1f},{y:.1f}" for x, y in run)
            body.append(Markup('<polyline points="{}"/>').format(path))
        else:
            body.append(_DOT.format("dot", *run[0]))
    last = next(point for point in reversed(points) if point is not None)
    body.append(_DOT.format("dot last", *last))
    return _SPARK.format(width=width, height=height, label=label, body=Markup("").join(body))


def columns(values: Sequence[float | None], names: Sequence[str], shown: Sequence[str], *, label: str) -> Markup:
    """A column per bucket with its value as title, the greatest one's height labelled, and three buckets' names below."""
    known = [value for value in values if value is not None]
    if not known or not max(known):
        return Markup("")
    width, height, foot, head = 360, 140, 22, 18
    top, step = max(known), width / len(values)
    line = Markup('<line class="base" x1="0" x2="{}" y1="{}" y2="{}"/>')
    body = [line.format(width, at, at) for at in (head, height - foot)]
    body.append(Markup('<text class="peak" x="0" y="{}">{}</text>').format(head - 5, shown[values.index(top)]))
    for at, value in enumerate(values):
        if value is None:
            continue
        tall = max(2.0 if value else 0.0, (height - foot - head) * _part(value, top))
        body.append(
            Markup('<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" rx="2"><title>{}: {}</title></rect>').format(
                at * step + step * 0.12, height - foot - tall, step * 0.76, tall, names[at], shown[at]
            )
        )
    for at, anchor in {0: "start", len(names) // 2: "middle", len(names) - 1: "end"}.items():
        x = {"start": 0.0, "middle": (at + 0.5) * step, "end": float(width)}[anchor]
        if anchor != "middle" or len(names) > 4:
            text = '<text x="{:.1f}" y="{}" text-anchor="{}">{}</text>'
            body.append(Markup(text).format(x, height - 5, anchor, names[at]))
    return _COLUMNS.format(width=width, height=height, label=label, body=Markup("").join(body))


def stacked(parts: Sequence[tuple[str, float | None, str]], *, label: str) -> Markup:
    """One bar cut into (name, value, shown): the parts of a whole, in the order given."""
    total = sum(value for _, value, _ in parts if value)
    if not total:
        return Markup("")
    width, height, x = 640, 30, 0.0
    body: list[Markup] = []
    for at, (name, value, shown) in enumerate(parts):
        if not value:
            continue
        wide = max(2.0, value / total * width)
        rect = '<rect class="part part-{}" x="{:.1f}" y="0" width="{:.1f}" height="{}"><title>{}: {}</title></rect>'
        body.append(Markup(rect).format(at + 1, x, max(0.5, wide - 1.5), height, name, shown))
        x += wide
    whole = '<svg class="bar" viewBox="0 0 {:.1f} {}" role="img" aria-label="{}" preserveAspectRatio="none">{}</svg>'
    return Markup(whole).format(max(x, 1), height, escape(label), Markup("").join(body))


def _part(value: float, top: float) -> float:
    return value / top if top > 0 else 0.0


def _runs(points: Sequence[tuple[float, float] | None]) -> Iterator[list[tuple[float, float]]]:
    run: list[tuple[float, float]] = []
    for point in points:
        if point is not None:
            run.append(point)
        elif run:
            yield run
            run = []
    if run:
        yield run
