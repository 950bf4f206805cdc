# SPDX-License-Identifier: GPL-2.0-only
"""A gate's judgement in the forms that CI systems read: JUnit XML, a Markdown job summary, GitHub annotations.

Rules inside: every text from a results file is escaped for the form it goes into; the forms say the same as the
terminal's table, never more.
"""

import os
import re
from xml.etree import ElementTree

from bench.gate.compare import Row
from bench.gate.compare_table import COLUMNS, cells, sorted_rows, summary_line, varying
from bench.gate.judge import Judgement, describe
from bench.results.statistics import INCONCLUSIVE, NOT_COMPARABLE, UNCHANGED
from bench.system.exit_status import FAIL, MEASUREMENT_FAILED, NO_BASELINE, PASS, UNDECIDED
from kvmarm.errors import UsageError
from kvmarm.files import atomic_write

SYMBOLS = {PASS: "✅", FAIL: "❌", UNDECIDED: "❔", NO_BASELINE: "🚫", MEASUREMENT_FAILED: "💥"}
MOST_ROWS = 200
"""Rows of a job summary; GitHub cuts one off at 1 MiB."""
MOST_ANNOTATIONS = 10
"""GitHub shows ten annotations of a kind a step."""

# XML 1.0 has no form for these at all, escaped or not.
_NOT_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write_junit(judgement: Judgement, path: str | os.PathLike[str]) -> None:
    """Write one test case a row: failures for what fails the gate, skipped for what couldn't be decided.

    What fails the gate as a whole (no baseline, a failed measurement) is an error of a test case named `gate`.
    """
    comparison = judgement.comparison
    rows = comparison.rows + comparison.summaries
    failing = {id(row) for row in judgement.failing}
    suite = ElementTree.Element("testsuite", name="vgic-bench gate")
    counts = {"failures": 0, "errors": 0, "skipped": 0}
    whole = ElementTree.SubElement(suite, "testcase", classname="vgic-bench", name="gate")
    if judgement.status in (NO_BASELINE, MEASUREMENT_FAILED):
        counts["errors"] += 1
        _outcome(whole, "error", judgement.outcome, "\n".join(judgement.reasons))
    elif judgement.status == UNDECIDED:
        counts["skipped"] += 1
        _outcome(whole, "skipped", "; ".join(judgement.reasons), "")
    for row in rows:
        configuration = row.configuration.replace(" ", ",") or f"gic={row.fields.get('gic')}"
        classname = _xml(f"vgic-bench.{row.meter}.{configuration}")
        case = ElementTree.SubElement(suite, "testcase", classname=classname, name=_xml(row.name))
        if id(row) in failing:
            counts["failures"] += 1
            _outcome(case, "failure", describe(row), f"{row.verdict}: {describe(row)}")
        elif row.verdict in (INCONCLUSIVE, NOT_COMPARABLE):
            counts["skipped"] += 1
            _outcome(case, "skipped", describe(row) if row.meter == "time" else row.note, "")
    for name, count in ({"tests": len(rows) + 1} | counts).items():
        suite.set(name, str(count))
    top = ElementTree.Element("testsuites")
    top.append(suite)
    ElementTree.indent(top)
    with atomic_write(path, "wb") as file:
        ElementTree.ElementTree(top).write(file, encoding="utf-8", xml_declaration=True)
        file.write(b"\n")


def _outcome(case: ElementTree.Element, kind: str, message: str, text: str) -> None:
    child = ElementTree.SubElement(case, kind, message=_xml(message))
    if text:
        child.text = _xml(text)


def _xml(text: str) -> str:
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)


def markdown(judgement: Judgement) -> str:
    """Return the job summary: the outcome, why, and the rows that changed."""
    comparison = judgement.comparison
    lines = [f"## {SYMBOLS[judgement.status]} vgic-bench gate: {judgement.outcome}", ""]
    lines += [f"{_md(comparison.candidate)} against {_md(comparison.baseline)}: {summary_line(comparison)}.", ""]
    notes = [*judgement.reasons[:MOST_ROWS], *(f"Note: {text}" for text in comparison.notes)]
    notes += [f"Warning: {text}" for text in judgement.warnings]
    notes += [f"Allowed: {describe(row)} — {row.allowed}" for row in judgement.allowed]
    lines += [f"- {_md(text)}" for text in notes]
    changed = [row for row in sorted_rows(comparison.rows) if row.verdict != UNCHANGED]
    table: list[Row] = [*comparison.summaries, *changed[:MOST_ROWS]]
    if table:
        said = varying(comparison.rows)
        align = ["---:" if column.startswith(">") else "---" for column in COLUMNS]
        lines += ["", "| " + " | ".join(column.removeprefix(">") for column in COLUMNS) + " |"]
        lines += ["| " + " | ".join(align) + " |"]
        lines += ["| " + " | ".join(_md(cell) for cell in cells(row, said)) + " |" for row in table]
    if len(changed) > MOST_ROWS:
        lines += ["", f"… and {len(changed) - MOST_ROWS} rows more."]
    return "\n".join(lines) + "\n"


def _md(text: str) -> str:
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace("\n", " ")
    return re.sub(r"([\\|`*_\[\]#])", r"\\\1", escaped)


COMMENT_MARK = "<!-- vgic-bench gate -->"
"""First line of a comment, by which a later run finds the one to replace."""


def write_comment(judgement: Judgement, path: str | os.PathLike[str]) -> None:
    """Write the job summary as the body of a comment on a pull request, whole or not at all. Raises UsageError."""
    with atomic_write(path, "w", encoding="utf-8") as file:
        file.write(f"{COMMENT_MARK}\n{markdown(judgement)}")


def append_summary(judgement: Judgement, path: str | os.PathLike[str]) -> None:
    """Append the job summary to a file, as `$GITHUB_STEP_SUMMARY` is meant to be written.

    Raises UsageError when it cannot be written.
    """
    try:
        with open(path, "a", encoding="utf-8") as file:
            file.write(markdown(judgement))
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror or error}") from error


def annotations(judgement: Judgement) -> list[str]:
    """Return GitHub workflow commands: an error a reason (a warning when inconclusive), the rest as warnings."""
    kind = "warning" if judgement.status == UNDECIDED else "error"
    lines = [_annotation(kind, f"vgic-bench gate: {judgement.outcome}", text) for text in judgement.reasons]
    if len(lines) > MOST_ANNOTATIONS:
        more = len(lines) - (MOST_ANNOTATIONS - 1)
        lines = lines[: MOST_ANNOTATIONS - 1]
        lines.append(_annotation(kind, f"vgic-bench gate: {judgement.outcome}", f"and {more} more"))
    return lines + [_annotation("warning", "vgic-bench gate", text) for text in judgement.warnings[:MOST_ANNOTATIONS]]


def _annotation(kind: str, title: str, text: str) -> str:
    body = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    head = title.replace("%", "%25").replace(":", "%3A").replace(",", "%2C")
    return f"::{kind} title={head}::{body}"
