# SPDX-License-Identifier: GPL-2.0-only
"""Method, environment, versions, how to repeat the run, and the data itself as downloads."""

import base64
import csv
import gzip
import io
import json
import shlex
from collections.abc import Sequence
from typing import Any

from reports.data import SCENARIO, Report
from reports.html import Markup, join, tag
from reports.numbers import number
from reports.sections import Section

BUDGET = 75_000
"""Bytes of compressed CSV that are embedded; a table that would go beyond stays in the results folder."""
TABLES = ("transitions", "workloads", "life", "switch", "cycles", "workload_events", "events", "samples")
"""In the order in which they are embedded while the budget lasts."""

METERS = (
    (
        "Events",
        "primitive steps that the models count where the kernel's code takes them. Exact, the same on every machine.",
    ),
    (
        "Instructions",
        "events × weights fitted per design to the instruction counts of the kernel's code (x86-64, gcc -O2, "
        "single-stepped). A prediction: the fit's error is a few per cent.",
    ),
    (
        "Cycles",
        "events, steps of the world switch and instructions × a platform's price list, every price with its "
        "source. A model, held against published tables by vgic-bench platforms --check.",
    ),
    (
        "Time",
        "nanoseconds of the compiled models on the measuring host, in fresh processes and alternating order. For "
        "contention and regressions of the models; not the time of the kernel.",
    ),
)


def csv_of(names: Sequence[str], columns: Sequence[Sequence[Any]]) -> bytes:
    """Return columns as gzip-compressed CSV, identical for identical columns; what has no value is empty."""
    cells = [["" if value is None or value != value else value for value in column] for column in columns]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(zip(*cells, strict=True))
    return gzip.compress(text.getvalue().encode(), compresslevel=9, mtime=0)


def with_cycles(report: Report) -> tuple[list[str], list[list[Any]]]:
    """Return names and columns of the table of transitions without its longest texts, with the cycles of each platform.

    A column `cycles_PLATFORM` is the sum of that platform's terms.
    """
    table = report.table("transitions")
    # What a transition does is in the page; here it would be most of the bytes.
    names = [name for name in table.names if name not in ("title", "why", "expected")]
    columns = [table.column(name) for name in names]
    keys = list(table.rows("family", "design", *SCENARIO, "transition"))
    for platform, cycles in report.cycles.items():
        names.append(f"cycles_{platform}")
        columns.append([None if value is None else round(value, 3) for value in map(cycles.get, keys)])
    return names, columns


def _downloads(report: Report) -> Markup:
    items, left, spent = [], [], 0
    for name in (*TABLES, *sorted(set(report.tables) - set(TABLES))):
        table = report.table(name)
        if not len(table):
            continue
        names, columns = (
            with_cycles(report) if name == "transitions" else (table.names, list(map(table.column, table.names)))
        )
        # Compressed, a cell takes a quarter of a byte at the very least: don't write what cannot fit.
        fits = len(names) * len(table) / 4 < BUDGET - spent
        data = csv_of(names, columns) if fits else b""
        if not data or spent + len(data) > BUDGET:
            left.append(name)
            continue
        spent += len(data)
        href = f"data:application/gzip;base64,{base64.b64encode(data).decode()}"
        items.append(
            tag(
                "li", tag("a", f"{name}.csv.gz", href=href, download=f"{name}.csv.gz"), " ", number(len(table)), " rows"
            )
        )
    rest = (
        tag("p", f"Too large to embed, in the results folder as Parquet: {', '.join(left)}.", class_="quiet")
        if left
        else None
    )
    return join(tag("ul", items), rest)


def _facts(values: dict[str, Any]) -> Markup:
    rows = []
    for key, value in values.items():
        if isinstance(value, list):
            words = ", ".join(map(str, value)) or "–"
        elif isinstance(value, str):
            words = value
        else:
            words = json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)
        rows.append(join(tag("dt", str(key).replace("_", " ")), tag("dd", words)))
    return tag("dl", rows, class_="facts")


def command_line(report: Report) -> str:
    """Return the command that made the run, quoted for a shell; `` when the results do not say."""
    command = report.meta.get("command") or []
    return shlex.join(str(word) for word in command) if isinstance(command, list) else str(command)


def section(report: Report) -> Section:
    """Return the last section of the page."""
    meta = report.meta
    parts: list[Any] = [
        tag("h3", "The four meters", id="meters"),
        tag("dl", [join(tag("dt", name), tag("dd", text)) for name, text in METERS], class_="facts"),
    ]
    notes = meta.get("notes") or []
    if notes:
        parts += [tag("h3", "Notes of this run", id="notes"), tag("ul", [tag("li", str(note)) for note in notes])]
    command = command_line(report)
    if command:
        parts += [tag("h3", "To repeat it", id="reproduce"), tag("pre", tag("code", command), tabindex="0")]
    known = {
        key: value
        for key, value in (
            ("started", meta.get("started")),
            ("finished", meta.get("finished")),
            ("results schema", meta.get("schema")),
        )
        if value
    }
    if meta.get("lock_pair_ns"):
        known["uncontended lock pair, ns"] = meta["lock_pair_ns"]
    parts += [
        tag("h3", "Versions and environment", id="environment"),
        _facts({**known, **_table(meta, "tool"), **_table(meta, "environment")}),
    ]
    if meta.get("configuration"):
        parts += [tag("h3", "Configuration", id="configuration"), _facts(_table(meta, "configuration"))]
    designs = [entry for entry in meta.get("designs") or [] if isinstance(entry, dict)]
    if designs:
        items = [
            tag(
                "li",
                tag("b", str(entry.get("title") or entry.get("name"))),
                f" ({entry.get('name')})",
                f": {entry['source']}" if entry.get("source") else "",
            )
            for entry in designs
        ]
        parts += [tag("h3", "What was modelled", id="designs"), tag("ul", items)]
    parts += [
        tag("h3", "The data", id="data"),
        tag("p", "Every figure of this page comes from these tables, here with full precision."),
        _downloads(report),
    ]
    return Section("method", "Method, environment, data", "Method", join(*parts))


def _table(meta: dict[str, Any], key: str) -> dict[str, Any]:
    value = meta.get(key)
    return value if isinstance(value, dict) else {}
