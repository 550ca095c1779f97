"""The page is one file that runs its own scripts alone, whatever its texts are."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

import pytest
import vl_convert
from hypothesis import given
from hypothesis import strategies as st

from defectmap.catalog.records import Revision, RevisionRecord, StoredFrame, StreamRecord
from defectmap.errors import DefectmapError
from defectmap.model.defects import Defect, DefectMap, Kind, Period, Structure, StructureKind
from defectmap.model.events import events
from defectmap.model.frame import Conditions
from defectmap.model.growth import growth
from defectmap.model.listed import ORIGIN
from defectmap.model.sensor import Grid
from defectmap.reporting import page
from defectmap.reporting.crops import Crop
from defectmap.reporting.findings import Findings
from defectmap.reporting.needs import PhotoNeed
from defectmap.reporting.page import json_in_html, render
from defectmap.reporting.scores import ScoreHistogram
from defectmap.reporting.sheets import sheet_of

NASTY = "</script><script>pwned()</script><img src=x onerror=pwned()>\"'`&amp;\u2028]]>${1}{{ 2 }}<!--"
START = datetime(2015, 1, 1)
GRID = Grid("raw", 3000, 4000)


def findings(sites: int = 12, photos: int = 20, text: str = "NIKON D80 3012345", crop: int = 40) -> Findings:
    """Return findings of so many sites and photos, every text of which may be chosen."""
    defects = [
        Defect(
            701 * number % 3000,
            1103 * number % 4000,
            list(Kind)[number % 7],
            "R",
            1.0,
            "DN",
            9.0 + number % 50,
            5,
            5,
            certain=number % 11 != 5,
            missing=text if number % 11 == 5 else "",
            periods=(Period(START + timedelta(days=number % 900), START + timedelta(days=number % 900 + 9)),),
            origin=f"{ORIGIN}{text}" if number % 50 == 49 else "",
        )
        for number in range(sites)
    ]
    line = Structure(StructureKind.COLUMN, 0, 100, 3000, 101, strength=8.0)
    found = DefectMap(GRID, tuple(defects), (line,) if sites else ())
    since, until = START, START + timedelta(days=1000)
    needs = tuple(
        PhotoNeed(
            StoredFrame(n, 1, b"", f"{text}{n}", Conditions(None, 0.01, 100.0), None, True, 0, None, None, n),
            since + (until - since) * n / photos if n % 7 else None,
            3,
            n % 3,
            n % 2,
            n % 5 == 1,
        )
        for n in range(photos)
    )
    told = {
        "streams": [
            {
                "kind": "raw",
                "height": 3000,
                "width": 4000,
                "frames": 7,
                "scenes": 7,
                "first": None,
                "last": None,
            }
        ],
        "registrations": [{"registered": False, "reason": text}],
        "lists": [{"name": text, "format": "dcraw", "sites": 3}],
    }
    record = RevisionRecord({1: found}, datetime(2024, 1, 1, tzinfo=UTC), "0", 1, 7, 7, told)
    featured = tuple(found.defects[:24])
    strip = tuple((need, Crop(b"a" * crop, b"b" * crop)) for need in needs[:12])
    return Findings(
        text,
        StreamRecord(1, 1, GRID, None, 1),
        Revision(1, 1, 3, record),
        found,
        5,
        4.0,
        events(DefectMap(GRID, found.entries[:900]), since, until),
        growth(found, since, until),
        2,
        needs,
        featured,
        {(one.row, one.col): strip for one in featured},
        len(strip),
        ((text, "is not where it was seen last"),),
        ScoreHistogram((0.0, 0.5, 7.0), (900, 40, 1), (0, 0, 2), (0, 1, 3), (800.0, 50.0, 0.0), 5.5),
    )


class _Elements(HTMLParser):
    """Collects elements and the text within scripts."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, data: str) -> None:
        if self.lasttag == "script" and self.scripts:
            self.scripts[-1] += data
        self.text += data


def _scripts(data: bytes) -> list[str]:
    """Return the scripts that a browser runs, as it hashes them."""
    return re.findall("<script>(.*?)</script>", data.decode(), re.DOTALL)


def read(data: bytes) -> _Elements:
    """Parse a page."""
    elements = _Elements()
    elements.feed(data.decode())
    return elements


def test_texts_are_texts() -> None:
    """A name that looks like HTML, script or template is shown as it is, and adds no element."""
    plain, nasty = (read(render(sheet_of(findings(text=text)))) for text in ("NIKON D80", NASTY))
    assert [tag for tag, _ in nasty.found] == [tag for tag, _ in plain.found]
    assert len(nasty.scripts) == 3
    assert nasty.text.count("pwned()") > 20
    assert all(not name.startswith("on") for _, attributes in nasty.found for name in attributes)
    assert json.loads(nasty.scripts[0])["charts"]


@given(st.recursive(st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_json_in_html_survives(value: object) -> None:
    """JSON within a script element reads back, and holds nothing that HTML would stumble over."""
    text = json_in_html(value)
    assert json.loads(text) == value
    assert not re.search("[<>&\u2028\u2029]", text) and text.isascii()


def test_the_policy_allows_these_scripts_only() -> None:
    """Each script has its hash in the policy; nothing is loaded from anywhere."""
    data = render(sheet_of(findings()))
    parsed = read(data)
    (policy,) = [a["content"] for tag, a in parsed.found if a.get("http-equiv") == "Content-Security-Policy"]
    assert policy is not None
    hashes = re.findall(r"'sha256-([^']+)'", policy)
    run = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in _scripts(data)]
    assert hashes == run
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    for tag, attributes in parsed.found:
        assert tag != "link" and not attributes.get("style", "").count("url(")
        for name in ("src", "href"):
            assert (attributes.get(name) or "#").startswith(("data:image/webp;base64,", "#"))


def test_a_page_stays_small_whatever_a_camera_has() -> None:
    """Twenty thousand sites and photos with long names, and all pictures there is room for: below 5 MB."""
    large = findings(20_000, 20_000, "n" * 200, crop=1_200_000 // (24 * 12 * 2))
    data = render(sheet_of(large))
    assert len(data) < 5_000_000
    text = data.decode()
    assert "surest of 20,000" in text and "defectmap defects --suspects" in text


def test_a_healthy_camera_has_a_page_too() -> None:
    """Without defects, photos and dates there are sentences in the place of charts."""
    empty = findings(0, 0)
    none = Findings(**{
        **{name: getattr(empty, name) for name in Findings.__slots__},
        "growth": None, "events": (), "scores": None, "opened": 0, "strips": {}, "troubles": (),
    })  # fmt: skip
    text = render(sheet_of(none)).decode()
    assert "No photosite of this sensor is known to be bad" in text
    assert "nothing can be dated" in text
    assert 'id="chart-' not in text


def test_the_same_findings_make_the_same_page() -> None:
    """Not a byte depends on when or where the page is made."""
    assert render(sheet_of(findings())) == render(sheet_of(findings()))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_charts_are_valid() -> None:
    """The language of the charts compiles each of them."""
    parts = sheet_of(findings()).parts
    charts = {name: part.chart["chart"] for name, part in parts.items() if part.chart}
    assert set(charts) == {"map", "time", "scores", "photos"}
    for chart in charts.values():
        assert vl_convert.vegalite_to_vega(chart)["marks"]


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra the next step is said."""
    monkeypatch.setitem(__import__("sys").modules, "vl_convert", None)
    with pytest.raises(
        DefectmapError, match=r"vl_convert is missing: run `pip install 'defectmap\[report\]'`"
    ):
        page.require_extra()
