"""The page in a real browser: Debian's chromium, driven by playwright, with the network off."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import html5lib
import made_up_analyses
import pytest

from paribus.findings import Analysis
from paribus.report import html

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
needs_a_browser = pytest.mark.skipif(
    CHROMIUM is None, reason="no chromium on PATH (Debian: apt-get install chromium)"
)
KINDS = ["eight_arms", "single_arm", "pilot", "all_diverged", "regression", "clock", "tuned"]
KINDS += ["one_factor_of_24"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        launched = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture
def tab(browser: Any) -> Iterator[Any]:
    """A tab without a network that keeps every complaint of the page, and every request."""
    context = browser.new_context(offline=True, viewport={"width": 1000, "height": 900})
    opened = context.new_page()
    opened.complaints, opened.asked_for = [], []
    opened.on("console", lambda message: opened.complaints.append(message.text))
    opened.on("pageerror", lambda error: opened.complaints.append(str(error)))
    opened.on("request", lambda request: opened.asked_for.append(request.url))
    yield opened
    context.close()


def written(study: Analysis, folder: Path) -> str:
    return html.write(study, folder / "page.html").as_uri()


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_is_valid_html(kind: str) -> None:
    page = html.render(getattr(made_up_analyses, kind)())
    parser = html5lib.HTMLParser(strict=False)
    parser.parse(page)
    # What a page may have to be XML as well: a closing slash on elements that have no end tag.
    allowed = {"non-void-element-with-trailing-slash"}
    assert {error for _, error, _ in parser.errors} <= allowed


@needs_a_browser
@pytest.mark.parametrize("kind", KINDS)
def test_a_page_opens_from_a_file_with_the_network_off(kind: str, tab: Any, tmp_path: Path) -> None:
    address = written(getattr(made_up_analyses, kind)(), tmp_path)
    tab.goto(address)
    assert tab.complaints == []
    assert tab.asked_for == [address]
    drawings = tab.locator("figure svg")
    assert drawings.count() > 0
    for number in range(drawings.count()):
        box = drawings.nth(number).bounding_box()
        assert box["width"] > 300
        assert box["height"] > 40
    wider = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
    assert not tab.evaluate(wider)


@needs_a_browser
def test_the_page_fits_a_telephone(tab: Any, tmp_path: Path) -> None:
    tab.set_viewport_size({"width": 375, "height": 700})
    tab.goto(written(made_up_analyses.eight_arms(), tmp_path))
    assert tab.evaluate("document.documentElement.scrollWidth") == 375


@needs_a_browser
def test_contents_and_wide_tables_are_reached_with_the_keyboard(tab: Any, tmp_path: Path) -> None:
    tab.goto(written(made_up_analyses.eight_arms(), tmp_path))
    told = "document.activeElement.tagName + (document.activeElement.getAttribute('href') || '')"
    reached = set()
    for _ in range(60):
        tab.keyboard.press("Tab")
        reached.add(tab.evaluate(told))
    assert {"A#contrasts", "A#again", "DIV"} <= reached
    tab.locator("nav a[href='#contrasts']").focus()
    tab.keyboard.press("Enter")
    assert tab.url.endswith("#contrasts")


@needs_a_browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(scheme: str, tab: Any, tmp_path: Path) -> None:
    tab.emulate_media(color_scheme=scheme)
    tab.goto(written(made_up_analyses.eight_arms(), tmp_path))
    for selector in ("body", "figcaption", "th", "nav a", ".badge.better", ".badge.worse"):
        ink, ground = tab.evaluate(COLOURS, selector)
        assert contrast(ink, ground) >= 4.5, selector


@needs_a_browser
def test_a_print_on_a4_leaves_nothing_out(tab: Any, tmp_path: Path) -> None:
    tab.goto(written(made_up_analyses.eight_arms(), tmp_path))
    printed = tmp_path / "page.pdf"
    tab.pdf(path=printed, format="A4", prefer_css_page_size=True)
    assert printed.read_bytes().startswith(b"%PDF")
    tab.emulate_media(media="print")
    tab.set_viewport_size({"width": 690, "height": 980})  # A4 less its margins, at 96 dots an inch
    wide = "[...document.querySelectorAll('table, svg, pre')].map(e => e.getBoundingClientRect())"
    assert tab.evaluate(f"Math.max(...{wide}.map(box => box.right))") <= 690


COLOURS = """selector => {
  const element = document.querySelector(selector)
  let ground = element
  const clear = e => getComputedStyle(e).backgroundColor.match(/rgba\\(.*, 0\\)/)
  while (clear(ground) && ground.parentElement) ground = ground.parentElement
  const shown = text => text.match(/[\\d.]+/g).slice(0, 3).map(Number)
  return [
    shown(getComputedStyle(element).color), shown(getComputedStyle(ground).backgroundColor)
  ]
}"""


def contrast(ink: list[float], ground: list[float]) -> float:
    """The ratio of the Web Content Accessibility Guidelines."""

    def luminance(colour: list[float]) -> float:
        parts = [one / 255 for one in colour]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return sum(w * p for w, p in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    bright, dim = sorted((luminance(ink), luminance(ground)), reverse=True)
    return (bright + 0.05) / (dim + 0.05)
