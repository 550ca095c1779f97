"""What a browser makes of a report, where one is installed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from defectmap.reporting.page import render
from defectmap.reporting.sheets import sheet_of

from .test_page import NASTY, findings

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

pytestmark = pytest.mark.skipif(BROWSER is None, reason="chromium is not installed")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Start the browser of the system, without a window."""
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        # The superuser has no sandbox; the page is the tests' own.
        started = driver.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield started
        started.close()


class Opened:
    """An opened page, and what it said and asked for."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.said: list[str] = []
        self.asked: list[str] = []
        page.on("console", lambda message: self.said.append(message.text))
        page.on("pageerror", lambda error: self.said.append(str(error)))
        page.on("request", lambda request: self.asked.append(request.url.split(":")[0]))

    def go(self, path: Path) -> None:
        """Open a file and wait until its charts are drawn."""
        self.page.goto(path.as_uri())
        self.page.wait_for_selector("html.drawn", state="attached")


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a report whose names look like HTML."""
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_bytes(render(sheet_of(findings(40, 60, NASTY))))
    return path


@pytest.fixture
def opened(browser: Browser, report: Path, request: pytest.FixtureRequest) -> Iterator[Opened]:
    """Open the report, light and wide unless a test says otherwise, without a network."""
    options: dict[str, Any] = {"color_scheme": "light", "viewport": {"width": 1200, "height": 900}}
    context = browser.new_context(offline=True, **(options | getattr(request, "param", {})))
    context.add_init_script("window.pwned = () => { window.hacked = true; };")
    shown = Opened(context.new_page())
    shown.go(report)
    yield shown
    assert shown.said == []
    assert set(shown.asked) <= {"file", "data"}
    assert shown.page.evaluate("window.hacked") is None
    context.close()


def tooltip(page: Page) -> str:
    """Return what is told of the mark under the pointer."""
    page.wait_for_selector("#vg-tooltip-element.visible")
    return page.inner_text("#vg-tooltip-element")


def columns(page: Page) -> tuple[float, float]:
    """Return the first and the last column that the axis of the map names."""
    texts = page.locator("#chart-map .role-axis-label").first.locator("text").all_text_contents()
    values = [float(text.replace(",", "").replace("\u2212", "-")) for text in texts]
    return min(values), max(values)


def test_every_chart_is_drawn_and_tells_of_its_marks(opened: Opened) -> None:
    """Hovering over a mark of each chart shows what it stands for; names stay text."""
    page = opened.page
    for name, expected in (
        ("map", "row, column"),
        ("time", "went bad"),
        ("scores", "photosites"),
        ("photos", "<script>pwned()</scrip"),
    ):
        kind = "rect" if name == "scores" else "symbol"
        mark = page.locator(f"#chart-{name} .mark-{kind}.role-mark path")
        mark.last.scroll_into_view_if_needed()
        mark.last.hover(force=True)
        assert expected in tooltip(page), name
        page.mouse.move(0, 0)
        page.wait_for_selector("#vg-tooltip-element:not(.visible)", state="attached")


def test_the_map_is_zoomed_by_buttons_keys_and_wheel(opened: Opened) -> None:
    """What zooms in shows fewer columns, and all of them come back."""
    page = opened.page
    whole = columns(page)
    assert whole == (0, 4000)

    def narrower() -> bool:
        page.wait_for_selector("#chart-map.zoomed")
        now = columns(page)
        return now[0] >= whole[0] and now[1] <= whole[1] and now != whole

    page.get_by_role("button", name="Zoom in").click()
    assert narrower()
    page.get_by_role("button", name="Whole sensor").click()
    page.wait_for_timeout(100)
    assert columns(page) == whole
    page.focus("#chart-map")
    for key in ("+", "+", "ArrowRight", "ArrowDown"):
        page.keyboard.press(key)
    assert narrower()
    page.keyboard.press("0")
    page.wait_for_timeout(100)
    assert columns(page) == whole
    page.locator("#chart-map svg").hover()
    page.keyboard.down("Control")
    page.mouse.wheel(0, -600)
    page.keyboard.up("Control")
    page.wait_for_timeout(300)
    assert narrower()


def test_a_mark_leads_to_its_pictures(opened: Opened) -> None:
    """A click on a defect shows its card, also where that is folded away."""
    page = opened.page
    page.evaluate("document.querySelector('#pictures details').open = false")
    last = page.locator("#pictures details article").last
    place = last.get_attribute("id")
    assert place is not None
    row, col = place.split("-")[1:]
    mark = page.locator(f"#chart-map path[aria-label$='at row {row}, column {col}']")
    mark.scroll_into_view_if_needed()
    mark.click(force=True)
    page.wait_for_url(f"**#{place}")
    assert last.is_visible() and page.evaluate("document.activeElement.id") == place


def test_tables_are_sorted_by_their_headings(opened: Opened) -> None:
    """Numbers go up with the first press of a heading and down with the second, by keyboard too."""
    page = opened.page
    heading = page.locator("#list table").first.locator("th:nth-child(2) button")
    cells = page.locator("#list table").first.locator("tbody tr td:nth-child(2)")
    before = [int(text) for text in cells.all_inner_texts()]
    heading.click()
    assert [int(text) for text in cells.all_inner_texts()] == sorted(before)
    heading.focus()
    page.keyboard.press("Enter")
    assert [int(text) for text in cells.all_inner_texts()] == sorted(before, reverse=True)


@pytest.mark.parametrize(
    "opened",
    [
        {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True},
        {"color_scheme": "dark"},
    ],
    indirect=True,
    ids=["phone", "dark"],
)
def test_it_fits_every_screen(opened: Opened) -> None:
    """Nothing sticks out at the side, and texts stand out from the page by 4.5 to 1 at least."""
    page = opened.page
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate("document.querySelector('#chart-map svg').getBoundingClientRect().width > 200")
    ratios = page.evaluate(
        """() => {
          const light = (text) => {
            const parts = text.match(/[\\d.]+/g).slice(0, 3).map((v) => v / 255);
            const [r, g, b] = parts.map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
            return 0.2126 * r + 0.7152 * g + 0.0722 * b;
          };
          const page = light(getComputedStyle(document.querySelector("section")).backgroundColor);
          const texts = "h1, h2, h3, .note, td, dt, dd, a, summary, .file, figcaption";
          return [...document.querySelectorAll(texts)]
            .filter((one) => one.textContent.trim())
            .map((one) => light(getComputedStyle(one).color))
            .map((one) => (Math.max(one, page) + 0.05) / (Math.min(one, page) + 0.05));
        }"""
    )
    assert min(ratios) > 4.5


def test_charts_follow_the_colour_scheme(opened: Opened) -> None:
    """When the scheme changes, charts are drawn anew in its colours."""
    page = opened.page
    label = page.locator("#chart-map .role-axis-label text").first
    before = label.get_attribute("fill")
    page.emulate_media(color_scheme="dark")
    page.wait_for_selector("#chart-map.dark")
    assert label.get_attribute("fill") != before


def test_it_can_be_printed(opened: Opened) -> None:
    """A PDF has pages; what was folded away is printed too."""
    page = opened.page
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate("[...document.querySelectorAll('details')].every((one) => one.open)")
    assert page.pdf().startswith(b"%PDF")


def test_thousands_of_sites_are_drawn(browser: Browser, tmp_path: Path) -> None:
    """A map of three thousand marks is drawn on a canvas, and tells of them."""
    path = tmp_path / "large.html"
    path.write_bytes(render(sheet_of(findings(4_000, 300))))
    context = browser.new_context(offline=True, viewport={"width": 1200, "height": 900})
    shown = Opened(context.new_page())
    shown.go(path)
    assert shown.page.locator("#chart-map canvas").count() == 1
    assert shown.said == []
    context.close()
