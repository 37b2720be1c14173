"""The report in headless Chromium: it renders, asks for nothing, works by pointer and by key, and shows text as text.

Run by `make test-browser`.
"""

from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import ActionChains, Keys
from selenium.webdriver.support.select import Select

from sequitur.stages.report.page.page import INDEX, SECTIONS

pytestmark = pytest.mark.browser
MOST_BYTES = 5_000_000
WIDTHS = (360, 390, 768, 1280)
# Elements whose text is too faint: below 4.5 to 1 against what is behind them (WCAG 2.2, 1.4.3).
FAINT = """
const parse = (text) => text.match(/[\\d.]+/g).map(Number);
const light = (rgb) => rgb.slice(0, 3).map((value) => value / 255)
  .map((value) => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4)
  .reduce((sum, value, at) => sum + value * [0.2126, 0.7152, 0.0722][at], 0);
const behind = (element) => {
  for (let one = element; one; one = one.parentElement) {
    const back = parse(getComputedStyle(one).backgroundColor);
    if (back.length === 3 || back[3] === 1) return back;
  }
  return [255, 255, 255];
};
const faint = new Set();
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const element = walker.currentNode.parentElement;
  if (!walker.currentNode.data.trim() || !element.checkVisibility() || element.closest("script, svg")) continue;
  const [a, b] = [light(parse(getComputedStyle(element).color)), light(behind(element))].sort((x, y) => y - x);
  const told = `${element.tagName} ${element.className} ${element.textContent.slice(0, 40)}`;
  if ((a + 0.05) / (b + 0.05) < 4.5) faint.add(told);
}
return [...faint];
"""
WIDE = "return document.documentElement.scrollWidth"  # more than the window where something is too wide
# Elements with more in them than is seen, that do not show it: neither a shadow at the edge nor anything else.
UNSIGNED = """
const more = (one) => one.scrollWidth > one.clientWidth + 1 && getComputedStyle(one).overflowX !== "visible";
const signed = (one) => {
  const style = getComputedStyle(one);
  return /gradient/.test(style.backgroundImage) && /local/.test(style.backgroundAttachment);
};
return [...document.querySelectorAll("body *:not(select, .visually-hidden)")]
  .filter((one) => one.checkVisibility() && !one.closest("svg") && more(one) && !signed(one))
  .map((one) => `${one.tagName} ${one.className} ${one.textContent.slice(0, 40)}`);
"""
# Elements that lie beyond the window, and in nothing that can be scrolled to them.
BEYOND = """
const scrolls = (one) => one && (/auto|scroll/.test(getComputedStyle(one).overflowX) || scrolls(one.parentElement));
return [...document.querySelectorAll("body *:not(.skip)")]
  .filter((one) => one.checkVisibility() && !one.closest("svg") && one.getBoundingClientRect().right > innerWidth + 1)
  .filter((one) => !scrolls(one.parentElement)).map((one) => `${one.tagName} ${one.className}`);
"""
# How much the shadow at the left and the right edge of an element differs from what is beside it: a picture of it, in
# base64, is drawn and read again.
SHADOWS = """
const [picture, done] = arguments, image = new Image();
image.onload = () => {
  const canvas = document.createElement("canvas"), context = canvas.getContext("2d");
  [canvas.width, canvas.height] = [image.width, image.height];
  context.drawImage(image, 0, 0);
  const light = (x) => context.getImageData(x, image.height - 3, 1, 1).data.slice(0, 3).reduce((a, b) => a + b);
  done([Math.abs(light(1) - light(60)), Math.abs(light(image.width - 2) - light(image.width - 60))]);
};
image.src = `data:image/png;base64,${picture}`;
"""
REACHABLE = """
const selector = 'a[href], button, select, summary, [tabindex="0"]';
return [...document.querySelectorAll(selector)].filter((one) => one.checkVisibility()).length;
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_it_renders_without_errors_requests_or_sideways_scrolling(
    chromium: Any, page: Path, width: int, scheme: str
) -> None:
    chromium.look(page, width=width, scheme=scheme)

    assert [one.get_attribute("id") for one in chromium.all("main > section")] == list(SECTIONS)
    assert all(one.size["height"] > 50 for one in chromium.all("main > section"))
    assert chromium.get_log("browser") == []
    assert chromium.requests() == []
    for details in chromium.all("details"):
        chromium.run("arguments[0].open = true", details)
    assert chromium.run(WIDE) <= width
    assert chromium.run(FAINT) == []
    assert chromium.run(UNSIGNED) == []
    assert chromium.run(BEYOND) == []
    links = [link.rect for link in chromium.all("nav a")]
    assert len(links) == len(SECTIONS)
    assert all(link["x"] >= 0 and link["x"] + link["width"] <= width and link["height"] > 0 for link in links)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_wide_table_shows_on_which_side_there_is_more(chromium: Any, page: Path, scheme: str) -> None:
    chromium.look(page, width=390, scheme=scheme)
    wide = chromium.one("#records > .scroll:has(.sources)")
    assert wide.get_property("scrollWidth") > 450
    chromium.run("arguments[0].style.paddingBottom = '20px'", wide)  # a place without text or lines, to look at
    pictures = []
    for left in (0, 60, 9999):
        chromium.run("arguments[0].scrollLeft = arguments[1]", wide, left)
        pictures.append(wide.screenshot_as_base64)
    chromium.get("about:blank")
    left, right = zip(*(chromium.execute_async_script(SHADOWS, picture) for picture in pictures), strict=True)
    assert [difference > 40 for difference in left] == [False, True, True]
    assert [difference > 40 for difference in right] == [True, True, False]


def test_it_is_small_and_quick(chromium: Any, page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    size = page.stat().st_size
    assert size < MOST_BYTES
    chromium.look(page)
    loaded = chromium.run("return performance.getEntriesByType('navigation')[0].loadEventEnd")
    with capsys.disabled():
        print(f"\nreport: {size:,} bytes, loaded in {loaded:,.0f} ms")


def test_hostile_text_stays_text(chromium: Any, page: Path) -> None:
    chromium.look(page)

    assert chromium.run("return window.alerts") == 0
    assert chromium.all("img") == chromium.all("main i:not([class])") == []
    assert len(chromium.all("script")) == 2
    assert chromium.one("h1").text == "corpus"
    shown = chromium.run("return [...document.querySelectorAll('pre')].map((one) => one.textContent).join()")
    assert "<script>alert('text')</script><img src=x onerror=alert('image')>" in shown
    assert "\\u2028\\u202egnirts" in shown  # what would turn the line round is spelled out
    chromium.run("document.getElementById('documents').focus()")
    assert "</script><script>" in chromium.one("#told").text


def test_what_is_run_is_ours_even_if_something_got_in(chromium: Any, page: Path) -> None:
    chromium.look(page)
    chromium.run(
        "const one = document.createElement('script'); one.textContent = 'window.alert(1)'; document.body.append(one);"
        "document.body.insertAdjacentHTML('beforeend', '<img src=\"https://example.org/x.png\" onerror=\"alert(1)\">');"
    )
    assert chromium.run("return window.alerts") == 0
    assert len(chromium.get_log("browser")) >= 2  # the policy refused both


def test_the_waterfall_of_one_source(chromium: Any, page: Path) -> None:
    chromium.look(page)
    before = chromium.one("#waterfall tbody:not([hidden])").text
    Select(chromium.one("#source")).select_by_index(1)
    (shown,) = [one for one in chromium.all("#waterfall tbody") if one.is_displayed()]
    assert shown.text != before
    assert shown.text.split("\n")[0].startswith("read")
    Select(chromium.one("#source")).select_by_index(0)
    assert chromium.one("#waterfall tbody:not([hidden])").text == before


def test_stretches_of_the_path(chromium: Any, page: Path) -> None:
    chromium.look(page)
    for button in chromium.all("button[data-stretch]"):
        button.click()
        (shown,) = [one for one in chromium.all(".stretch") if one.is_displayed()]
        assert shown.get_attribute("data-stretch") == button.get_attribute("data-stretch")
        assert [one.get_attribute("aria-pressed") for one in chromium.all("button[data-stretch]")].count("true") == 1
        plot, readout = (shown.find_element("css selector", name) for name in (".plot", ".readout"))
        plot.send_keys(Keys.HOME)
        first = readout.text
        plot.send_keys(Keys.ARROW_RIGHT)
        assert readout.text.startswith("2. ")
        assert "cosine" in plot.get_attribute("aria-valuetext")
        plot.send_keys(Keys.END)
        assert plot.get_attribute("aria-valuenow") == plot.get_attribute("aria-valuemax")
        ActionChains(chromium).move_to_element(plot).perform()
        assert readout.text != first


def test_the_map_by_pointer_and_by_key(chromium: Any, page: Path) -> None:
    chromium.look(page)
    plot, told = chromium.one("#documents"), chromium.one("#told")
    chromium.run("arguments[0].scrollIntoView({block: 'center'})", plot)
    ActionChains(chromium).move_to_element_with_offset(plot, -150, 80).perform()
    pointed = told.text, chromium.one("#documents .cursor").get_attribute("cx")
    assert pointed[1] != "-99"
    for key in (Keys.ARROW_LEFT, Keys.ARROW_RIGHT, Keys.ARROW_UP, Keys.ARROW_DOWN):
        before = (
            chromium.one("#documents .cursor").get_attribute("cx"),
            chromium.one("#documents .cursor").get_attribute("cy"),
        )
        plot.send_keys(key)
        after = (
            chromium.one("#documents .cursor").get_attribute("cx"),
            chromium.one("#documents .cursor").get_attribute("cy"),
        )
        assert before != after


def test_sources_are_hidden_and_contexts_stressed(chromium: Any, page: Path) -> None:
    chromium.look(page)
    for button in chromium.all(".choices [data-colour]"):
        colour = button.get_attribute("data-colour")
        dots = chromium.one(f'#documents .dots[data-colour="{colour}"]')
        button.click()
        assert (button.get_attribute("aria-pressed"), dots.is_displayed()) == ("false", False)
        button.click()
        assert (button.get_attribute("aria-pressed"), dots.is_displayed()) == ("true", True)
    buttons = chromium.all(".choices [data-trail]")
    assert buttons
    buttons[0].click()
    assert len(chromium.all("#documents .trail.stressed")) == 1
    buttons[0].click()
    assert chromium.all("#documents .trail.stressed") == []


def test_details_open_and_sections_are_marked(chromium: Any, page: Path) -> None:
    chromium.look(page)
    for details in chromium.all("details"):
        summary = details.find_element("css selector", "summary")
        opened = details.get_attribute("open")
        chromium.run("arguments[0].scrollIntoView({block: 'center'})", summary)
        summary.send_keys(Keys.ENTER)
        assert details.get_attribute("open") != opened
    for link in chromium.all("nav a"):
        link.send_keys(Keys.ENTER)
        target = link.get_attribute("href").rpartition("#")[2]
        top = chromium.run("return document.getElementById(arguments[0]).getBoundingClientRect().top", target)
        assert -5 < top < 900
    marked = (
        "return new Promise((done) => setTimeout(() => done(document.querySelectorAll('[aria-current]').length), 200))"
    )
    assert chromium.run(marked) == 1


@pytest.mark.parametrize("width", [360, 1280])
def test_everything_is_reached_by_key_and_seen_when_it_is(chromium: Any, page: Path, width: int) -> None:
    chromium.look(page, width=width)
    count = chromium.run(REACHABLE)
    reached = []
    for _ in range(count):
        ActionChains(chromium).send_keys(Keys.TAB).perform()
        reached.append(
            chromium.run(
                "const one = document.activeElement, style = getComputedStyle(one);"
                "return [one.id || one.outerHTML.slice(0, 90), style.outlineStyle, parseFloat(style.outlineWidth),"
                " one.matches(':focus-visible')]"
            )
        )
    assert len({name for name, *_ in reached}) > count / 2  # not going round among a few
    assert [one for one in reached if one[1] == "none" or one[2] < 2 or not one[3]] == []
    last = chromium.run(
        "const all = [...document.querySelectorAll('summary')]; return all.at(-1) === document.activeElement"
    )
    assert last


def test_it_can_be_read_without_scripts(chromium: Any, page: Path) -> None:
    chromium.look(page, scripts=False)
    try:
        assert all(one.is_displayed() for one in chromium.all("main > section, .stretch, #documents svg"))
        assert not any(one.is_displayed() for one in chromium.all(".js"))
    finally:
        chromium.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_compared_orders_in_a_page_of_their_own_and_in_the_report(
    chromium: Any, hostile_run: Any, sequitur: Callable[..., Any]
) -> None:
    ended = sequitur(
        "compare", hostile_run.config.output, "--orders", "contexts,path,iclm,random,structure", "--gain-contexts", "2"
    )
    assert ended.code == 0, ended.err
    report = Path(hostile_run.artifact("report").path())
    for name, width in product(("compare.html", INDEX), WIDTHS):
        chromium.look(report / name, width=width)
        assert chromium.get_log("browser") == chromium.requests() == []
        assert chromium.run(WIDE) <= width
        assert "structure cannot be computed" in chromium.one("body").text
