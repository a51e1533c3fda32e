"""A comparison for other programs: Markdown for a pull request, JUnit's XML for a CI system, JSON for the rest."""

import html
import json
import re
from dataclasses import asdict
from itertools import groupby
from math import isnan
from typing import Any
from xml.etree import ElementTree

from ..core.formatting import number
from .compare import Comparison
from .summary import advice, headline, label, notes, rows, sentences
from .timing import ratios
from .verdicts import Judged

HEADS = ("", "net", "method", "metric", "base", "new", "change", "95 % interval", "p")
MARKUP = re.compile(r"([\\`*_{}\[\]()#|~!])")
FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # in XML 1.0, even escaped


def markdown(comparison: Comparison) -> str:
    """A headline, a table of what changed, and what is to be said beside it."""
    lines = [f"### {_plain(headline(comparison))}", ""]
    lines += [f"{_plain(comparison.base.name)} → {_plain(comparison.new.name)}", ""]
    if changed := rows(comparison):
        lines += [_row(HEADS), _row(["---"] * 4 + ["---:"] * 5)]
        for row in changed:
            net, method, _ = map(_plain, row.cell.key)
            verdict = f"**{row.cell.verdict}**" if comparison.fails(row.cell) else row.cell.verdict
            cells = (_plain(label(row.cell)), row.base, row.new, row.change, row.interval, row.p)
            lines.append(_row((verdict, net, method, *cells)))
        lines.append("")
    lines += [f"- **{verdict}**: {_plain(said)}" for verdict, said in sentences(comparison)]
    lines += [f"- {_plain(said)}" for said in (*notes(comparison), *advice(comparison))]
    return "\n".join(lines).rstrip() + "\n"


def junit(comparison: Comparison) -> str:
    """A test suite per net, a test case per method and metric; what fails a comparison is a failure."""
    root = ElementTree.Element("testsuites", name="bench compare")
    for net, cells in groupby(sorted(comparison.cells, key=lambda cell: cell.key[0]), key=lambda cell: cell.key[0]):
        group = list(cells)
        failures = str(sum(map(comparison.fails, group)))
        suite = ElementTree.SubElement(root, "testsuite", name=_xml(net), tests=str(len(group)), failures=failures)
        for cell in group:
            _, method, metric = map(_xml, cell.key)
            case = ElementTree.SubElement(suite, "testcase", classname=f"{_xml(net)}.{method}", name=metric)
            if comparison.fails(cell):
                ElementTree.SubElement(case, "failure", type=cell.verdict, message=_xml(said(cell)))
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def as_json(comparison: Comparison) -> str:
    """Everything: each number with its verdict and evidence."""
    told = {
        "base": comparison.base.name,
        "new": comparison.new.name,
        "failed": comparison.failed,
        "images": comparison.images,
        "counts": dict(comparison.counts),
        "notes": list(comparison.notes),
        "cells": [_told(cell) for cell in comparison.cells],
        "seconds": [
            {"net": net, "method": method, "base": base, "new": new}
            for (net, method), (base, new) in ratios(comparison.base, comparison.new).items()
        ],
    }
    return json.dumps(told, indent=1) + "\n"


def said(cell: Judged) -> str:
    """A verdict with its evidence, in a sentence."""
    evidence = "" if isnan(cell.p) else f", p = {number(cell.p)}"
    if cell.why or isnan(cell.base):
        return f"{cell.verdict}: {cell.why}{evidence}".removesuffix(": ")
    return f"{cell.verdict}: {cell.base:.6g} → {cell.new:.6g}{evidence}"


def _told(cell: Judged) -> dict[str, Any]:
    change = {"change": cell.change.mean, "low": cell.change.low, "high": cell.change.high} if cell.change else {}
    net, method, metric = cell.key
    found = {"net": net, "method": method, "metric": metric} | asdict(cell) | change
    return {key: _known(one) for key, one in found.items() if key not in ("key", "short")}


def _known(value: Any) -> Any:
    return None if isinstance(value, float) and isnan(value) else value


def _row(cells: Any) -> str:
    return f"| {' | '.join(cells)} |"


def _plain(text: str) -> str:
    """Text that Markdown shows as it is."""
    return MARKUP.sub(r"\\\1", html.escape(" ".join(text.split()), quote=False))


def _xml(text: str) -> str:
    return FORBIDDEN.sub("�", text)
