"""Links in Markdown pages lead to files and headings that exist, on GitHub and on the site alike."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    page for pattern in ("*.md", "*/*.md", "*/*/*.md", ".github/**/*.md") for page in ROOT.glob(pattern)
    if page.relative_to(ROOT).parts[0] not in (".venv", "runs", "site", "build")
)  # fmt: skip
LINK = re.compile(r"\]\((?!https?:|mailto:)([^)\s]*)\)")


def prose(page: Path) -> str:
    """The text of a page without its blocks of code."""
    return re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def slug(heading: str) -> str:
    """The anchor of a heading, as GitHub makes it: lower case, no punctuation, a hyphen for each space."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").strip().lower()
    return re.sub(r"[^\w\- ]", "", text).replace(" ", "-")


def anchors(page: Path) -> list[str]:
    return [slug(heading) for heading in re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE)]


def broken(page: Path) -> list[str]:
    """The links of a page that lead to no file of the checkout, or to no heading of that page."""
    found = []
    for link in LINK.findall(re.sub(r"`[^`\n]*`", "", prose(page))):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        is_there = target.exists() and (target == ROOT or ROOT in target.parents)
        if not is_there or (anchor and (target.suffix != ".md" or anchor not in anchors(target))):
            found.append(link)
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files_and_headings(page: Path) -> None:
    assert broken(page) == []


def test_the_check_finds_broken_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{__name__}.ROOT", tmp_path)
    (tmp_path / "other.md").write_text("# A `code` heading, twice\n```\n# no heading\n```\n", encoding="utf-8")
    page = tmp_path / "page.md"
    good = "[a](other.md) [b](other.md#a-code-heading-twice) [c](#here) [d](https://example.org/#x) `[e](code.md)`"
    bad = "[a](none.md) [b](other.md#no-heading) [c](#nowhere) ![d](../outside.png)"
    page.write_text(f"# Here\n{good}\n{bad}\n```\n[f](code.md)\n```\n", encoding="utf-8")
    assert broken(page) == ["none.md", "other.md#no-heading", "#nowhere", "../outside.png"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_rows_of_a_table_have_as_many_cells_as_its_head(page: Path) -> None:
    for table in re.findall(r"(?:^\|.*\|$\n?)+", prose(page), re.MULTILINE):
        head, rule, *rows = [len(re.findall(r"(?<!\\)\|", re.sub(r"`[^`]*`", "", line))) for line in table.splitlines()]
        assert {head, rule, *rows} == {head}, table.splitlines()[0]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_blocks_of_code_are_closed(page: Path) -> None:
    fences = re.findall(r"^```.*$", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(fences) % 2 == 0 and all(fence == "```" for fence in fences[1::2])
