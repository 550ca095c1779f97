"""The page: one file that needs nothing else, with a policy that lets it run its own scripts only."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources

from defectmap.errors import DefectmapError
from defectmap.reporting import marks
from defectmap.reporting.charts import Spec, look

_EXTRA = (
    "reports need packages that are not installed, {missing} is missing: "
    "run `pip install 'defectmap[report]'`"
)


@dataclass(frozen=True, slots=True)
class Shot:
    """A photo of a strip: its crop as it is and, where that differs, repaired; as data of the page."""

    name: str
    taken: str
    exposure: str
    state: str
    before: str
    after: str | None


@dataclass(frozen=True, slots=True)
class Card:
    """A defect with what is known of it, and its strip of photos."""

    anchor: str
    kind: str
    title: str
    facts: tuple[tuple[str, str], ...]
    shots: tuple[Shot, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A table: headings, whether each column holds numbers, and its rows."""

    headings: tuple[str, ...]
    numeric: tuple[bool, ...]
    rows: tuple[tuple[object, ...], ...]


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the page: sentences, a chart, and tables by name."""

    notes: tuple[str, ...] = ()
    chart: Spec | None = None
    tables: Mapping[str, Table] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sheet:
    """All that the page says.

    Attributes
    ----------
    camera, subtitle, program : str
    figures : tuple of (str, str)
        Numbers for the eye, with what they count.
    parts : mapping of str to Part
        The parts of the template.
    cards : tuple of Card
    commands : tuple of (str, str)
        What to type next, and what that does.
    """

    camera: str
    subtitle: str
    program: str
    figures: tuple[tuple[str, str], ...]
    parts: Mapping[str, Part]
    cards: tuple[Card, ...]
    commands: tuple[tuple[str, str], ...]


def require_extra() -> None:
    """Tell how to install what pages are made with, if it is not.

    Raises
    ------
    DefectmapError
    """
    try:
        import jinja2  # noqa: F401, PLC0415
        import vl_convert  # noqa: F401, PLC0415
    except ImportError as error:
        raise DefectmapError(_EXTRA.format(missing=error.name)) from error


def render(sheet: Sheet) -> bytes:
    """Return the page of a sheet: the same sheet, the same bytes.

    Raises
    ------
    DefectmapError
        If the extra packages are not installed.
    """
    require_extra()
    from jinja2 import Environment, PackageLoader, StrictUndefined  # noqa: PLC0415 - an extra

    environment = Environment(
        loader=PackageLoader("defectmap.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["code"] = _with_code
    charts = {name: part.chart for name, part in sheet.parts.items() if part.chart is not None}
    scripts = [plotting_library(), _part("page.js")]
    text = environment.get_template("page.html.jinja").render(
        sheet=sheet,
        marks=marks,
        style=_part("page.css"),
        scripts=scripts,
        policy=_policy(scripts),
        data=json_in_html({"charts": charts, "look": look()}),
    )
    return text.encode("utf-8", "replace")


@cache
def plotting_library() -> str:
    """Return Vega, Vega-Lite and Vega-Embed as one script."""
    import vl_convert  # noqa: PLC0415 - an extra

    script = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    # Within a script element these would begin or end something.
    for text in ("</script", "<!--", "<script"):
        if text in script.lower():
            raise DefectmapError(f"the plotting library contains {text!r}: install another version of it")
    return script


def json_in_html(value: object) -> str:
    r"""Return JSON that may stand in a script element, whatever texts it holds.

    Examples
    --------
    >>> json_in_html({"name": "</script><!--&"})
    '{"name":"\\u003c/script\\u003e\\u003c!--\\u0026"}'
    """
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"), sort_keys=True)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def picture(data: bytes) -> str:
    """Return a WebP picture as an address that holds it."""
    return f"data:image/webp;base64,{base64.b64encode(data).decode()}"


def _with_code(text: str) -> str:
    """Return a sentence as HTML, what stands between backticks as code."""
    from markupsafe import Markup, escape  # noqa: PLC0415 - comes with Jinja

    parts = [escape(part) for part in text.split("`")]
    if len(parts) % 2 == 0:
        return escape(text)
    return Markup("").join(Markup("<code>{}</code>").format(p) if n % 2 else p for n, p in enumerate(parts))


def _policy(scripts: list[str]) -> str:
    """Return a Content Security Policy (W3C, level 3): these scripts, and nothing from elsewhere."""
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
        for script in scripts
    )
    # The plotting library lays out its marks with styles of its own.
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _part(name: str) -> str:
    return (resources.files("defectmap.reporting") / "templates" / name).read_text(encoding="utf-8")
