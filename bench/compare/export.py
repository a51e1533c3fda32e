"""Writes a comparison as Markdown for a pull request, as JUnit XML for a CI system, and as JSON for other programs."""

import json
import re
from dataclasses import asdict
from itertools import groupby
from math import isnan
from typing import Any
from xml.etree import ElementTree

from ..core.formatting import format_p
from ..core.markdown import escape, format_table
from .compare import Comparison
from .summary import (
    ADVICE,
    ChangeRow,
    describe_lost,
    format_label,
    list_advice,
    list_changes,
    list_notes,
    write_headline,
    write_sentences,
)
from .timing import compute_median_seconds
from .verdicts import NumberResult

HEADS = ("", "net", "method", "metric", "base", "new", "change", "95 % interval", "p")
NUMERIC = (*[False] * 4, *[True] * 5)  # by column
FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # in XML 1.0, even escaped


def format_markdown(comparison: Comparison) -> str:
    """Format a headline, a table of the changed numbers, sentences on the other verdicts, notes and advice."""
    lines = [f"### {escape(write_headline(comparison))}", ""]
    lines += [f"{escape(comparison.base.name)} → {escape(comparison.new.name)}", ""]
    if changed := list_changes(comparison):
        lines += [*format_table(HEADS, NUMERIC, [_format_row(comparison, row) for row in changed]), ""]
    lines += [f"- **{verdict}**: {escape(sentence)}" for verdict, sentence in write_sentences(comparison)]
    lines += [f"- {escape(sentence)}" for sentence in (*list_notes(comparison), *list_advice(comparison))]
    return "\n".join(lines).rstrip() + "\n"


def _format_row(comparison: Comparison, row: ChangeRow) -> list[str]:
    """Format the cells of a changed number, in the order of HEADS."""
    net, method, _ = row.result.key
    verdict = f"**{row.result.verdict}**" if comparison.fails(row.result) else row.result.verdict
    texts = (net, method, format_label(row.result), row.base, row.new, row.change, row.interval, row.p)
    return [verdict, *map(escape, texts)]


def format_junit(comparison: Comparison) -> str:
    """Format a test suite for each net, with a test case for each method and metric that fails if its verdict fails."""
    root = ElementTree.Element("testsuites", name="bench compare")
    for net, results in groupby(
        sorted(comparison.results, key=lambda result: result.key[0]), key=lambda result: result.key[0]
    ):
        group = list(results)
        failures = str(sum(map(comparison.fails, group)))
        suite = ElementTree.SubElement(
            root, "testsuite", name=_replace_forbidden(net), tests=str(len(group)), failures=failures
        )
        for result in group:
            _, method, metric = map(_replace_forbidden, result.key)
            case = ElementTree.SubElement(
                suite, "testcase", classname=f"{_replace_forbidden(net)}.{method}", name=metric
            )
            if comparison.fails(result):
                message = _replace_forbidden(describe_result(result))
                failure = ElementTree.SubElement(case, "failure", type=result.verdict, message=message)
                failure.text = ADVICE[result.verdict]
    if comparison.strict and comparison.lost:
        suite = ElementTree.SubElement(root, "testsuite", name="images", tests="1", failures="1")
        case = ElementTree.SubElement(suite, "testcase", classname="images", name="compared")
        ElementTree.SubElement(case, "failure", type="lost", message=describe_lost(comparison))
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def format_json(comparison: Comparison) -> str:
    """Format each number with its verdict and evidence."""
    content = {
        "base": comparison.base.name,
        "new": comparison.new.name,
        "failed": comparison.failed,
        "images": comparison.images,
        "lost": comparison.lost,
        "counts": dict(comparison.counts),
        "notes": list(comparison.notes),
        "cells": [_make_result_content(result) for result in comparison.results],
        "seconds": [
            {"net": net, "method": method, "base": base, "new": new}
            for (net, method), (base, new) in compute_median_seconds(comparison.base, comparison.new).items()
        ],
    }
    return json.dumps(content, indent=1) + "\n"


def describe_result(result: NumberResult) -> str:
    """Describe a verdict with its evidence in one sentence."""
    evidence = "" if isnan(result.p) else f", {format_p(result.p, 'p')}"
    if result.why or isnan(result.base):
        return f"{result.verdict}: {result.why}{evidence}".removesuffix(": ")
    return f"{result.verdict}: {result.base:.6g} → {result.new:.6g}{evidence}"


def _make_result_content(result: NumberResult) -> dict[str, Any]:
    change = (
        {"change": result.change.mean, "low": result.change.low, "high": result.change.high} if result.change else {}
    )
    net, method, metric = result.key
    content = {"net": net, "method": method, "metric": metric} | asdict(result) | change
    return {key: _replace_nan(value) for key, value in content.items() if key not in ("key", "short")}


def _replace_nan(value: Any) -> Any:
    return None if isinstance(value, float) and isnan(value) else value


def _replace_forbidden(text: str) -> str:
    return FORBIDDEN.sub("�", text)
