"""The charts of a report, as specifications in Vega-Lite: plain values that JSON holds.

Colours are those of the page's style sheet, such as ``var(--ink)``: the page looks them up when it draws, so
that charts follow its colour scheme.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from defectmap.model.sensor import Grid
from defectmap.reporting.marks import EVENTS, KINDS, SCORES, STATES, KindMark, variable
from defectmap.reporting.scores import FARTHEST, WIDTH, ScoreHistogram

Spec = dict[str, Any]
Row = Mapping[str, Any]

SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
"""Names the language; nothing is loaded from there."""

_FEW = 1_500
"""So many marks are drawn as parts of the page, which print sharply and can be read out; more on a canvas."""

_BORDER = 0.015
"""Share of the sensor's size that is drawn around it, so that marks at its edges are whole."""

_LEAST = 0.7
"""Where a logarithmic axis of counts begins."""


def sensor_map(grid: Grid, sites: Sequence[Row], structures: Sequence[Row]) -> Spec:
    """Draw the sensor as it is read, row 0 above.

    Parameters
    ----------
    grid : Grid
    sites : sequence of mapping
        With col, row, kind, what, strength, bad, visible, seen and anchor (a part of the page, or "").
    structures : sequence of mapping
        With left, right, top, bottom and what.
    """
    axis = {"grid": True, "tickCount": 6}
    across, down = ([-_BORDER * size, (1 + _BORDER) * size] for size in (grid.width, grid.height))
    places = {
        "x": {
            "field": "col",
            "type": "quantitative",
            "title": "column",
            "axis": axis,
            "scale": {"domain": across, "zero": False, "nice": False},
        },
        "y": {
            "field": "row",
            "type": "quantitative",
            "title": "row",
            "axis": axis,
            "scale": {"domain": down[::-1], "zero": False, "nice": False},
        },
    }
    kinds = [kind for kind in KINDS if any(site["kind"] == kind for site in sites)]
    colour = _colours("kind", kinds)
    # Many marks are drawn smaller, so that they do not hide each other.
    size = round(min(max(30_000 / max(len(sites), 1), 16), 100))
    points: Spec = {
        "data": {"values": list(sites)},
        "params": [
            {
                "name": "view",
                "select": {"type": "interval", "zoom": "wheel![event.ctrlKey]"},
                "bind": "scales",
            }
        ],
        "mark": {"type": "point", "size": size, "strokeWidth": 1.6, "opacity": 1, "clip": True},
        "encoding": {
            **places,
            "fill": colour,
            "stroke": colour,
            "shape": _shapes("kind", KINDS, kinds),
            "fillOpacity": {"condition": {"test": "datum.what === 'defect'", "value": 0.9}, "value": 0},
            "description": {"field": "label"},
            "tooltip": [
                {"field": "place", "title": "row, column"},
                {"field": "kind"},
                {"field": "what", "title": "verdict"},
                {"field": "strength"},
                {"field": "bad"},
                {"field": "visible", "title": "shows"},
                {"field": "seen"},
            ],
        },
    }
    areas: Spec = {
        "data": {"values": list(structures)},
        "mark": {
            "type": "rect",
            "fillOpacity": 0.25,
            "strokeWidth": 1.5,
            "strokeDash": [4, 2],
            "color": "var(--ink)",
            "stroke": "var(--ink)",
            "clip": True,
        },
        "encoding": {
            "x": {**places["x"], "field": "left"},
            "x2": {"field": "right"},
            "y": {**places["y"], "field": "top"},
            "y2": {"field": "bottom"},
            "tooltip": [{"field": "what", "title": "structure"}, {"field": "bad"}],
        },
    }
    edge = {"left": -0.5, "right": grid.width - 0.5, "top": -0.5, "bottom": grid.height - 0.5}
    outline: Spec = {
        "data": {"values": [edge]},
        "mark": {"type": "rect", "filled": False, "stroke": "var(--muted)", "clip": True, "tooltip": None},
        "encoding": {name: areas["encoding"][name] for name in ("x", "x2", "y", "y2")},
    }
    marks = len(sites) + len(structures)
    return _chart([outline, areas, points], height=320, marks=marks, aspect=grid.height / grid.width)


def growth_chart(steps: Sequence[Row], happened: Sequence[Row]) -> Spec:
    """Draw how many photosites were bad, and what happened.

    Parameters
    ----------
    steps : sequence of mapping
        With when, low, likely and high, in order; each holds until the next.
    happened : sequence of mapping
        With when, after, before, event, number, sites and kinds.
    """
    when = {"field": "when", "type": "temporal", "title": None, "axis": {"labelOverlap": True, "grid": False}}
    count = {"type": "quantitative", "title": "bad photosites", "axis": {"tickMinStep": 1, "format": "d"}}
    band: Spec = {
        "data": {"values": list(steps)},
        "mark": {"type": "area", "interpolate": "step-after", "opacity": 0.22, "color": "var(--accent)"},
        "encoding": {"x": when, "y": {**count, "field": "low"}, "y2": {"field": "high"}},
    }
    line: Spec = {
        "data": {"values": list(steps)},
        "mark": {
            "type": "line",
            "interpolate": "step-after",
            "strokeWidth": 2,
            "color": "var(--accent)",
        },
        "encoding": {"x": when, "y": {**count, "field": "likely"}},
    }
    events = [event for event in EVENTS if any(one["event"] == event for one in happened)]
    colour = _colours("event", events)
    tooltip = [
        {"field": "event"},
        {"field": "sites", "title": "photosites"},
        {"field": "kinds"},
        {"field": "between"},
        {"field": "number", "title": "bad then"},
    ]
    spans: Spec = {
        "data": {"values": list(happened)},
        "mark": {"type": "rule", "strokeWidth": 2, "opacity": 0.45},
        "encoding": {
            "x": {**when, "field": "after"},
            "x2": {"field": "before"},
            "y": {**count, "field": "number"},
            "color": colour,
        },
    }
    points: Spec = {
        "data": {"values": list(happened)},
        "mark": {"type": "point", "filled": True, "size": 80, "opacity": 1},
        "encoding": {
            "x": when,
            "y": {**count, "field": "number"},
            "color": colour,
            "shape": _shapes("event", EVENTS, events),
            "description": {"field": "label"},
            "tooltip": tooltip,
        },
    }
    layers = [band, line, spans, points] if happened else [band, line]
    return _chart(layers, height=260, marks=2 * len(happened) + 2)


def score_chart(histogram: ScoreHistogram) -> Spec:
    """Draw the scores of all photosites against what chance makes."""
    bars: list[Spec] = [
        {"score": edge, "end": edge + WIDTH, "sites": name, "number": number}
        for name, numbers in zip(
            SCORES, (histogram.others, histogram.suspects, histogram.defects), strict=True
        )
        for edge, number in zip(histogram.edges, numbers, strict=True)
        if number
    ]
    null = [
        {"score": edge + 0.5 * WIDTH, "number": number}
        for edge, number in zip(histogram.edges, histogram.null, strict=True)
        if number >= _LEAST
    ]
    score = {
        "field": "score",
        "type": "quantitative",
        "title": "largest score (σ)",  # noqa: RUF001
        "scale": {"domain": [0, FARTHEST + WIDTH], "nice": False},
    }
    most = max(*histogram.null, *(bar["number"] for bar in bars), 1)
    count = {
        "field": "number",
        "type": "quantitative",
        "title": "photosites per half a deviation",
        "scale": {"type": "log", "domain": [_LEAST, 2.0 * most], "nice": False},
        "axis": {"values": [10**power for power in range(len(str(int(most))) + 1)], "format": "~s"},
    }
    names = [name for name in SCORES if any(bar["sites"] == name for bar in bars)]
    layers: list[Spec] = [
        {
            "data": {"values": bars},
            "mark": {"type": "bar", "opacity": 0.85, "binSpacing": 0},
            "encoding": {
                "x": score,
                "x2": {"field": "end"},
                "y": count,
                "y2": {"datum": _LEAST},
                "color": _colours("sites", names),
                "tooltip": [
                    {"field": "sites"},
                    {"field": "number", "title": "photosites", "format": ","},
                    {"field": "score", "title": "from"},
                    {"field": "end", "title": "to"},
                ],
            },
        },
        {
            "data": {"values": null},
            "mark": {"type": "line", "strokeWidth": 2, "strokeDash": [5, 3], "color": "var(--ink)"},
            "encoding": {"x": score, "y": count},
        },
        {
            "data": {"values": [{"score": histogram.threshold}]},
            "mark": {"type": "rule", "strokeDash": [2, 2], "color": "var(--ink)"},
            "encoding": {"x": score},
        },
    ]
    return _chart(layers, height=260, marks=len(bars) + 2)


def photo_chart(photos: Sequence[Row]) -> Spec:
    """Draw on how many defects each photo shows, by date.

    Parameters
    ----------
    photos : sequence of mapping
        With when, name, exposure, number, shows, seen and state.
    """
    states = [state for state in STATES if any(photo["state"] == state for photo in photos)]
    points: Spec = {
        "data": {"values": list(photos)},
        "mark": {"type": "point", "filled": True, "size": 45, "opacity": 0.8},
        "encoding": {
            "x": {
                "field": "when",
                "type": "temporal",
                "title": None,
                "axis": {"labelOverlap": True, "grid": False},
            },
            "y": {
                "field": "number",
                "type": "quantitative",
                "title": "defects that show",
                "axis": {"tickMinStep": 1, "format": "d"},
            },
            "color": _colours("state", states),
            "shape": _shapes("state", STATES, states),
            "description": {"field": "name"},
            "tooltip": [
                {"field": "name", "title": "photo"},
                {"field": "taken"},
                {"field": "exposure"},
                {"field": "shows", "title": "should show"},
                {"field": "seen", "title": "stood out"},
                {"field": "state"},
            ],
        },
    }
    return _chart([points], height=220, marks=len(photos))


def look() -> Spec:
    """Return fonts and lines of all charts, as Vega-Lite's configuration."""
    axis = {
        "labelColor": "var(--muted)",
        "titleColor": "var(--muted)",
        "gridColor": "var(--line)",
        "domainColor": "var(--line)",
        "tickColor": "var(--line)",
        "titleFontWeight": "normal",
        "labelFontSize": 12,
        "titleFontSize": 12,
    }
    return {
        "font": "system-ui, sans-serif",
        "axis": axis,
        "view": {"stroke": "var(--line)"},
        "legend": {
            "orient": "top",
            "direction": "horizontal",
            "labelColor": "var(--ink)",
            "labelFontSize": 12,
            "symbolSize": 90,
            "symbolOpacity": 1,
            "columns": 4,
        },
        "bar": {"stroke": None},
    }


def moment(time: datetime) -> str:
    """Return a time as charts read it."""
    return time.isoformat(timespec="seconds")


def _chart(layers: Sequence[Spec], *, height: int, marks: int, aspect: float | None = None) -> Spec:
    body = dict(layers[0]) if len(layers) == 1 else {"layer": list(layers)}
    chart: Spec = {
        "$schema": SCHEMA,
        "width": "container",
        "height": height,
        "autosize": {"type": "fit", "contains": "padding", "resize": True},
        "background": None,
        **body,
    }
    return {"chart": chart, "renderer": "svg" if marks <= _FEW else "canvas", "aspect": aspect}


def _colours(field: str, names: Sequence[str]) -> Spec:
    scale = {"domain": list(names), "range": [f"var({variable(name)})" for name in names]}
    return {"field": field, "type": "nominal", "scale": scale, "legend": {"title": None}}


def _shapes(field: str, marks: Mapping[str, KindMark], names: Sequence[str]) -> Spec:
    scale = {"domain": list(names), "range": [marks[name].shape for name in names]}
    return {"field": field, "type": "nominal", "scale": scale, "legend": {"title": None}}
