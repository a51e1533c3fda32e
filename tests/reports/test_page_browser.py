"""The page in a browser: it requests nothing, its script does not fail, and its controls work."""

import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cambench.bench.stats.answer import STATES
from cambench.bench.store import run as store
from cambench.bench.store.run import Run
from cambench.bench.store.shipped import RESULTS
from cambench.reports import html
from cambench.reports._page.analysis import analyse

from ..support import big, runs
from ..support.comparisons import rename_class, rename_method

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
EVIL = "</script><script>alert(1)</script>"

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as play:
        chromium = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return store.open_run(runs.write(tmp_path_factory.mktemp("runs") / "whole"))


@pytest.fixture(scope="module")
def file(run: Run) -> Path:
    path = run.directory / "report.html"
    path.write_text(html.render(run), encoding="utf-8")
    return path


@pytest.fixture
def page(browser: Any, file: Path) -> Iterator[Any]:
    yield from _open(browser, file)


def _open(browser: Any, file: Path, **options: Any) -> Iterator[Any]:
    """Open a tab with the page; afterwards, check that no script failed and that nothing else was requested."""
    context = browser.new_context(**options)
    tab = context.new_page()
    tab.set_default_timeout(120_000)  # milliseconds; a busy machine takes long to draw a whole page
    messages, requests = [], []
    tab.on("console", lambda message: messages.append(message.text))
    tab.on("pageerror", lambda error: messages.append(str(error)))
    tab.on("dialog", lambda dialog: (messages.append("a dialog"), dialog.dismiss()))
    tab.on("request", lambda request: requests.append(request.url))
    tab.goto(file.as_uri())
    yield tab
    context.close()
    assert messages == []
    assert {url.partition("#")[0] for url in requests if not url.startswith("data:")} == {file.as_uri()}


def _column(page: Any, column: int) -> list[str]:
    rows = page.locator("#scores table").first.locator("tbody tr")
    return [rows.nth(row).locator("th, td").nth(column).inner_text().split("\n")[0] for row in range(rows.count())]


def test_the_script_shows_the_answers_of_python(page: Any, run: Run) -> None:
    for index, analysis in enumerate(analyse([run])):
        page.select_option("select[name=chosen_net]", str(index))
        article = page.locator("article:visible")
        assert article.locator("h3").inner_text().startswith(analysis.title)
        for number, by in enumerate(["", *analysis.by_metric]):
            page.select_option("select[name=chosen_by]", str(number))
            answer = analysis.find_answer(by) if by else analysis.answer
            line = article.locator(".verdict p").first.inner_text()
            assert answer and line.split("\n") == [STATES[answer.state], f"{answer.text}."]
            decides = article.locator("thead th.decides").count()
            assert decides == len(answer.by)


def test_the_address_holds_the_choice(browser: Any, file: Path) -> None:
    for page in _open(browser, file):
        page.select_option("select[name=chosen_net]", label="vgg16")
        page.select_option("select[name=chosen_by]", label="energy")
        address = page.url
        assert address.endswith("#net=vgg16&by=energy")
        page.evaluate("location.hash = '#net=resnet18'")
        page.wait_for_function("document.querySelector('article:not([hidden]) h3').textContent.startsWith('resnet18')")
        page.evaluate("location.hash = '#scores'")
        assert page.locator("article:visible h3").inner_text().startswith("resnet18")
        page.goto("about:blank")
        page.goto(address)
        assert page.locator("article:visible h3").inner_text().startswith("vgg16")
        assert page.locator("select[name=chosen_by] option:checked").inner_text() == "energy"
        page.goto(file.as_uri() + "#net=nothing&by=nothing")
        page.goto("about:blank")
        page.goto(file.as_uri())


def test_only_the_panel_of_the_chosen_net_and_metric_is_visible(page: Any) -> None:
    page.select_option("select[name=chosen_net]", "2")
    page.select_option("select[name=chosen_by]", label="energy")
    panel = page.locator("details.view:visible")
    assert panel.count() == 1 and panel.locator("summary").inner_text().startswith("vgg16, energy")
    assert panel.locator("figure:visible").count() == 2
    page.get_by_role("button", name="forwards").first.click()
    assert "against forwards" in panel.locator("figure[data-axis]:visible svg").get_attribute("aria-label")


def test_a_head_sorts_by_numbers_and_sets_aria_sort(page: Any) -> None:
    head = page.locator("#scores table").first.locator("thead th").nth(1)
    before = _column(page, 1)
    head.locator("button").focus()
    page.keyboard.press("Enter")
    assert head.get_attribute("aria-sort") == "ascending"
    assert _column(page, 1) == sorted(before, key=float)
    page.keyboard.press("Enter")
    assert head.get_attribute("aria-sort") == "descending"
    assert _column(page, 1) == sorted(before, key=float, reverse=True)
    page.locator("#scores table").first.locator("thead th button").first.click()
    assert head.get_attribute("aria-sort") is None
    assert _column(page, 0) == sorted(runs.METHODS)


@pytest.mark.parametrize("reverse", [False, True])
def test_missing_values_come_last_in_either_order(page: Any, reverse: bool) -> None:
    rows = page.locator("#scores table").nth(2).locator("tbody tr")  # vgg16, to which plain CAM does not apply
    button = page.locator("#scores table").nth(2).locator("thead th button").nth(1)
    for _ in range(2 if reverse else 1):
        button.click()
    assert rows.last.locator("th").inner_text() == "cam"


def test_filters_hide_rows_columns_and_figures(page: Any) -> None:
    page.fill("input[name=method]", "score|cent")
    assert page.locator("#scores tbody tr:visible th").all_inner_texts() == ["score_cam", "centre"] * 3
    page.fill("input[name=metric]", "pointing")
    heads = page.locator("#scores table").first.locator("thead th:visible b").all_inner_texts()
    assert [head.replace("\u00a0", " ") for head in heads] == [
        "method",
        "pointing ↑",
        "seconds",
        "forwards",
        "peak MB",
    ]
    page.select_option("select[name=net]", "vgg16")
    assert page.locator("#scores > div h3:visible").count() == 1
    assert page.locator("#filters output").inner_text().startswith("2 of ")
    page.fill("input[name=method]", "")
    page.fill("input[name=metric]", "")
    page.select_option("select[name=net]", "")
    assert page.locator("#scores table").first.locator("tbody tr:visible").count() == 5
    assert page.locator("#curves figure:visible").count() == 6


def test_several_runs_can_be_distinguished(browser: Any, run: Run, tmp_path: Path) -> None:
    other = store.open_run(runs.write(tmp_path / "other", images=6, nets={"resnet18": "layer4"}))
    other.header.protocols["deletion"]["steps"] = 100
    path = tmp_path / "both.html"
    path.write_text(html.page([run, other]), encoding="utf-8")
    for page in _open(browser, path):
        names = page.locator("select[name=chosen_net] option").all_inner_texts()
        assert names == [*(f"{net} · whole" for net in runs.NETS), "resnet18 · other"]
        page.select_option("select[name=run]", "other")
        assert page.locator("#scores > div h3:visible").all_inner_texts() == ["resnet18 · otherlayer4, 6 images, bf16"]
        assert "protocols: deletion: steps" in page.locator("#runs table").first.inner_text()
        page.locator("#runs summary").click()
        text = page.locator("#runs details table tbody tr:has-text('deletion')").first.inner_text()
        assert "not comparable" in text and "metric's steps: none → 100" in text


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_a_narrow_screen(browser: Any, file: Path, tmp_path: Path, scheme: Any) -> None:
    for page in _open(browser, file, viewport={"width": 390, "height": 844}, color_scheme=scheme):
        page.evaluate("document.querySelectorAll('details').forEach((details) => { details.open = true; })")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        page.screenshot(path=tmp_path / f"{scheme}.png", full_page=True)
        assert (tmp_path / f"{scheme}.png").stat().st_size > 50_000


def test_the_page_can_be_read_without_script_and_printed(browser: Any, file: Path) -> None:
    for page in _open(browser, file, java_script_enabled=False):
        assert page.locator("#answer article:visible table").count() == len(runs.NETS)
        assert page.locator("#answer .answers li").count() == len(runs.NETS)
        assert page.locator("form:visible").count() == 0
        assert len(page.pdf()) > 50_000


def test_a_wide_table_shows_one_kind_of_metrics_and_is_printed_whole(browser: Any, tmp_path: Path) -> None:
    (tmp_path / "photos.html").write_text(html.render(store.open_run(RESULTS / "reference-photos")), encoding="utf-8")
    count_heads = "() => document.querySelectorAll('#scores thead th:not([style*=none])').length"
    for page in _open(browser, tmp_path / "photos.html"):
        shown, heads = page.evaluate(count_heads), page.locator("#scores thead th").count()
        counts = []
        for event in ("beforeprint", "afterprint"):
            page.evaluate("name => dispatchEvent(new Event(name))", event)
            counts.append(page.evaluate(count_heads))
        assert shown < heads and counts == [heads, shown]
        page.select_option("#filters [name=family]", label="objects")
        chosen = page.evaluate(count_heads)
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        assert page.evaluate(count_heads) == chosen
        page.emulate_media(
            media="print"
        )  # Chromium repeats no head that holds boxes of buttons, and a section is on one kind of page
        style = "([selector, key]) => getComputedStyle(document.querySelector(selector))[key]"
        found = [page.evaluate(style, pair) for pair in (("#images th button", "display"), ("#images", "page"))]
        assert found == ["contents", "wide"]


def test_names_with_markup_are_escaped(browser: Any, tmp_path: Path) -> None:
    directory = runs.write(tmp_path / "run", images=3, nets={f"net {EVIL}": f"layer {EVIL}"}, prefix=EVIL)
    rename_method(directory, "centre", f"./{EVIL}.py")
    rename_class(directory, EVIL)
    path = tmp_path / "evil.html"
    path.write_text(html.render(store.open_run(directory)), encoding="utf-8")
    assert path.read_text(encoding="utf-8").count("<script") == 2
    for page in _open(browser, path):
        assert page.locator("select[name=chosen_net] option").all_inner_texts() == [f"net {EVIL}"]
        assert f"./{EVIL}.py" in page.locator("#scores tbody").first.inner_text()
        assert EVIL in page.locator("#gallery figcaption").first.inner_text()


def _load_seconds(browser: Any, file: Path) -> float:
    for page in _open(browser, file):
        load_end = "performance.getEntriesByType('navigation')[0].loadEventEnd"
        page.wait_for_function(f"{load_end} > 0")
        return float(page.evaluate(load_end)) / 1000
    raise AssertionError


def test_the_page_of_many_methods_and_metrics_is_small(browser: Any, tmp_path: Path) -> None:
    run = store.open_run(big.write(tmp_path / "big", nets=1, methods=25, metrics=33, images=12))
    path = tmp_path / "big.html"
    path.write_text(html.render(run), encoding="utf-8")
    assert path.stat().st_size < 6_500_000
    for page in _open(browser, path, viewport={"width": 1280, "height": 900}):
        assert page.evaluate("document.documentElement.scrollWidth") <= 1280
        head, first = page.locator("#scores thead th").first, page.locator("#scores tbody th").last
        page.locator("#scores .scroll").first.evaluate(
            "(element) => { element.scrollLeft = 900; element.scrollTop = 400; }"
        )
        box = page.locator("#scores .scroll").first.bounding_box()
        assert abs(head.bounding_box()["y"] - box["y"]) < 3 and abs(first.bounding_box()["x"] - box["x"]) < 3


@pytest.mark.overhead
def test_the_page_of_a_large_run_takes_a_minute_at_most_and_opens_in_two_seconds(browser: Any, tmp_path: Path) -> None:
    run = store.open_run(big.write(tmp_path / "big"))
    start = time.perf_counter()
    text = html.render(run)
    assert time.perf_counter() - start < 60
    path = tmp_path / "big.html"
    path.write_text(text, encoding="utf-8")
    assert path.stat().st_size < 15_000_000
    assert _load_seconds(browser, path) < 2


def test_the_content_security_policy_allows_only_the_script_of_the_page(file: Path) -> None:
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]+)"', file.read_text(encoding="utf-8"))
    assert "default-src 'none'" in policy and "unsafe-inline" not in policy.partition("script-src")[2]


def test_a_dot_leads_to_the_row_of_its_image(browser: Any, file: Path) -> None:
    """Also if the table of its net is closed, and if the page is opened at the row."""
    for page in _open(browser, file):
        table = page.locator("#images details").nth(1)
        assert not table.evaluate("(details) => details.open")
        row = page.locator("#s1-image-4")
        page.locator("#spread details").evaluate_all("(all) => all.forEach((details) => { details.open = true; })")
        page.locator('#spread a[href="#s1-image-4"]').first.dispatch_event("click")
        sync_api.expect(row).to_be_in_viewport()
        assert (
            table.evaluate("(details) => details.open")
            and page.locator("tr:target").get_attribute("id") == "s1-image-4"
        )
        page.goto("about:blank")
        page.goto(f"{file.as_uri()}#s2-image-0")
        sync_api.expect(page.locator("#s2-image-0")).to_be_in_viewport()
