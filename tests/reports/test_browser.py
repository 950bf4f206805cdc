# SPDX-License-Identifier: GPL-2.0-only
"""The page in a real browser: no error, no request, sorting, filtering, permalinks, keys, no script, accessibility.

Needs playwright, a chromium executable (VGIC_BENCH_CHROMIUM names another than the one on PATH), and for the
accessibility test axe-core (the package axe-playwright-python, or AXE_CORE naming axe.min.js).
"""

import importlib.util
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.browser

CHROMIUM = os.environ.get("VGIC_BENCH_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def _axe() -> str | None:
    named = os.environ.get("AXE_CORE")
    if named:
        return named
    found = importlib.util.find_spec("axe_playwright_python")
    if found is None or not found.submodule_search_locations:
        return None
    return str(Path(found.submodule_search_locations[0]) / "axe.min.js")


FIGURE = 4
"""The first column of figures: name, group, scenario and whether the designs agree are before it."""


class Tab:
    """A page of the browser that notes what it complains of and what it asks the network for."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.requests: list[str] = []
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self.requests.append(request.url))

    def open(self, path: Path, fragment: str = "") -> Any:
        """Load a file and return the page."""
        self.page.goto(f"file://{path}{fragment}")
        return self.page


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A chromium with an empty profile."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("no chromium executable on PATH; VGIC_BENCH_CHROMIUM can name one")
    with playwright.sync_playwright() as started:
        running = started.chromium.launch(executable_path=CHROMIUM, headless=True, args=FLAGS)
        yield running
        running.close()


@pytest.fixture
def tab(browser: Any) -> Iterator[Tab]:
    """A tab 1280 pixels wide."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    yield Tab(page)
    page.close()


def _visible_rows(page: Any) -> int:
    return int(
        page.evaluate("[...document.querySelectorAll('#table-vgic tbody tr')].filter(r => r.offsetParent).length")
    )


def _column(page: Any, number: int) -> list[str]:
    rows = "[...document.querySelectorAll('#table-vgic tbody tr')].filter(row => !row.hidden)"
    return list(page.evaluate(f"column => {rows}.map(row => row.cells[column].textContent)", number))


def test_loads_without_complaint_and_without_a_request(tab: Tab, run_page: Path) -> None:
    page = tab.open(run_page)
    page.mouse.wheel(0, 20_000)
    assert tab.complaints == []
    assert [url for url in tab.requests if not url.startswith(("file://", "data:"))] == []
    assert sum(url.startswith("file://") for url in tab.requests) == 1
    assert page.locator("h1").count() == 1


@pytest.mark.parametrize("width", [400, 1280])
def test_no_sideways_scrolling_of_the_page(tab: Tab, run_page: Path, width: int) -> None:
    page = tab.open(run_page)
    page.set_viewport_size({"width": width, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_sorting(tab: Tab, run_page: Path) -> None:
    page = tab.open(run_page, "#transitions")
    head = page.locator("#table-vgic thead th").nth(FIGURE)
    head.locator("button").click()
    values = [float(text.replace(",", "")) for text in _column(page, FIGURE)]
    assert values == sorted(values) and len(values) == 38
    head.locator("button").click()
    values = [float(text.replace(",", "")) for text in _column(page, FIGURE)]
    assert values == sorted(values, reverse=True)
    assert head.get_attribute("aria-sort") == "descending"
    page.locator("#table-vgic thead th").nth(0).locator("button").click()
    names = _column(page, 0)
    assert names == sorted(names, key=str.lower)


def test_filtering(tab: Tab, run_page: Path) -> None:
    page = tab.open(run_page, "#transitions")
    page.locator(".tools input").fill("isenabler gicv3")
    assert _column(page, 0) == ["mmio_write_ISENABLER", "mmio_read_ISENABLER"]
    assert page.locator(".tools output").text_content() == "2 of 38 rows"
    page.locator(".tools input").fill("")
    page.locator(".tools select").select_option("sgi")
    assert set(_column(page, 1)) == {"sgi"}
    assert tab.complaints == []


def test_meter_switch_shows_one_meter(tab: Tab, run_page: Path) -> None:
    page = tab.open(run_page, "#transitions")
    heads = page.locator("#table-vgic thead th:visible").all_text_contents()
    assert heads[:FIGURE] == ["Transition", "Group", "Scenario", "Agree"]
    assert heads[FIGURE:] == ["old, instructions", "new, instructions", "new ÷ old"]
    page.get_by_role("radio", name="Events").check()
    heads = page.locator("#table-vgic thead th:visible").all_text_contents()
    assert heads[FIGURE:] == ["old, events", "new, events", "new ÷ old"]


def test_permalink_brings_everything_back(tab: Tab, run_page: Path, browser: Any) -> None:
    page = tab.open(run_page, "#transitions")
    page.locator(".tools input").fill("inject")
    page.get_by_role("radio", name="Time").check()
    page.locator("#table-vgic thead th:visible").nth(4).locator("button").click()
    rows, address = _column(page, 0), page.evaluate("location.href")
    other = browser.new_page()
    other.goto(address)
    assert _column(other, 0) == rows and len(rows) == 8
    assert other.locator(".tools input").input_value() == "inject"
    assert other.get_by_role("radio", name="Time").is_checked()
    other.close()


def test_a_link_to_events_opens_them(tab: Tab, run_page: Path) -> None:
    page = tab.open(run_page, "#e-inject-edge-spi")
    assert page.locator("#e-inject-edge-spi").is_visible()
    page.goto("about:blank")
    tab.open(run_page, "#transitions")
    page.locator("#table-vgic tbody a", has_text="sgi_to_all").first.click()
    assert page.locator("#e-sgi-to-all table").first.is_visible()


def test_keys(tab: Tab, run_page: Path) -> None:
    page = tab.open(run_page)
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.type") == "search"
    page.keyboard.type("sgi")
    assert _visible_rows(page) == 2
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("m")
    assert page.locator("input[name=meter-vgic]").nth(1).is_checked()
    page.keyboard.press("?")
    assert page.locator("dialog").is_visible()
    page.keyboard.press("Escape")
    assert not page.locator("dialog").is_visible()
    page.keyboard.press("v")
    for _ in range(50):
        if page.evaluate("document.getElementById('verdict').getBoundingClientRect().top >= 0"):
            break
        page.wait_for_timeout(100)
    else:
        pytest.fail("the key v does not lead to the verdict")
    assert tab.complaints == []


def test_everything_is_there_without_scripts(browser: Any, run_page: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"file://{run_page}")
    assert page.locator("figure svg").count() == 6
    assert page.locator("#table-vgic tbody tr").count() == 38
    assert page.locator("#table-vgic tbody tr").first.locator("td").nth(2).is_visible()
    page.get_by_role("radio", name="Events").check()
    heads = page.locator("#table-vgic thead th:visible").all_text_contents()
    assert heads[FIGURE:] == ["old, events", "new, events", "new ÷ old"], "the meter is chosen by style rules alone"
    page.locator("#events summary").first.click()
    assert page.locator("#events table").first.is_visible()
    assert page.locator(".tools").count() == 0
    context.close()


def test_dark_and_print_have_their_own_colours(tab: Tab, run_page: Path) -> None:
    page = tab.open(run_page)
    ink = "getComputedStyle(document.body).color"
    page.emulate_media(color_scheme="light")
    light = page.evaluate(ink)
    page.emulate_media(color_scheme="dark")
    assert page.evaluate(ink) != light
    page.emulate_media(color_scheme="dark", media="print")
    assert page.evaluate(ink) == light, "paper is white"
    assert not page.locator("nav").is_visible()


def test_nothing_in_a_results_file_runs(tab: Tab, tmp_path: Path) -> None:
    import reports
    from tests.reports import synthetic

    results = synthetic.results(samples=0)
    evil = "<img src=x onerror=\"document.title='run'\"><script>document.title='run'</script>"
    for name in ("transitions", "events"):
        results.tables[name]["transition"] = results.tables[name]["transition"].replace("flush_p", evil)
    results.meta["notes"] = [evil]
    path = reports.build(results.save(tmp_path / "results"), tmp_path / "page.html")
    page = tab.open(path)
    assert page.title() != "run" and tab.complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1280])
def test_no_serious_accessibility_fault(browser: Any, run_page: Path, scheme: str, width: int) -> None:
    axe = _axe()
    if axe is None or not Path(axe).is_file():
        pytest.skip("axe-core is not installed: pip install axe-playwright-python, or set AXE_CORE")
    # Its script is no part of the page: the policy has to be set aside for it to be put in.
    context = browser.new_context(bypass_csp=True, color_scheme=scheme, viewport={"width": width, "height": 900})
    page = context.new_page()
    page.goto(f"file://{run_page}")
    page.evaluate("document.querySelectorAll('details').forEach(element => { element.open = true; })")
    page.add_script_tag(path=axe)
    found = page.evaluate("async () => (await axe.run()).violations")
    context.close()
    serious = [
        (fault["id"], fault["help"], fault["nodes"][0]["html"][:200])
        for fault in found
        if fault["impact"] in ("serious", "critical")
    ]
    assert serious == []
