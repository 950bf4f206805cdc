# SPDX-License-Identifier: GPL-2.0-only
"""The whole page: one file, nothing loaded from anywhere, and a policy that forbids everything that is not in it.

The policy names the hashes of the one style sheet and the one script; inline styles, event handlers, other scripts and
any request are refused by the browser, whatever a results file holds.
"""

import base64
import hashlib
from importlib.resources import files
from pathlib import Path
from typing import Any

from bench.results.store import Results
from kvmarm.files import atomic_write
from reports.claims import claims
from reports.data import Report
from reports.html import Markup, join, tag
from reports.sections import (
    Section,
    borrowed,
    events,
    grid,
    life,
    method,
    samples,
    states,
    switch,
    transitions,
    verdict,
    workloads,
)
from reports.theme import css_variables


def sections_of(report: Report, baseline_folder: str | Path | None = None) -> list[Section]:
    """Return the sections that this run has something for, in reading order."""
    found: list[Section | None] = []
    if baseline_folder is not None:
        # Here, because it brings the statistics library with it, which is slow to load.
        from reports.sections import baseline

        found.append(baseline.section(Results.load(baseline_folder), Results.load(report.folder)))
    found += [
        states.section(report),
        transitions.section(report),
        states.differences(report),
        borrowed.section(report),
        grid.heatmap(report),
        grid.scaling(report),
        life.section(report),
        switch.section(report),
        workloads.section(report),
        samples.section(report),
        events.section(report),
        method.section(report),
    ]
    others = [section for section in found if section is not None]
    return [verdict.section(report, claims(report), {section.id for section in others}), *others]


def _hash(text: str) -> str:
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


def page(title: str, heading: Any, sections: list[Section], skip: str = "To the verdict") -> str:
    """Return the HTML of a page with these sections."""
    assets = files("reports.assets")
    style = (
        css_variables() + (assets / "report.css").read_text("utf-8") + "".join(section.styles for section in sections)
    )
    script = (assets / "report.js").read_text("utf-8")
    policy = (
        f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; img-src data:; base-uri "
        "'none'; form-action 'none'"
    )
    links = [tag("li", tag("a", section.short, href=f"#{section.id}")) for section in sections]
    head = join(
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", title),
        # An icon in the page itself: browsers ask the server for one otherwise.
        tag("link", rel="icon", href="data:,"),
        Markup(f"<style>{style}</style>"),
    )
    body = join(
        tag("a", skip, class_="skip", href=f"#{sections[0].id}"),
        tag("header", heading),
        tag("nav", tag("ul", links), aria_label="Sections"),
        tag("main", [section.html() for section in sections]),
        tag(
            "footer",
            tag(
                "p",
                "Made by vgic-bench. Readable without scripts; with them, tables sort and filter, and ",
                tag("kbd", "?"),
                " lists the keys.",
            ),
        ),
        Markup(f"<script>{script}</script>"),
    )
    return f'<!doctype html>\n<html lang="en"><head>{head}</head><body>{body}</body></html>\n'


def _heading(report: Report) -> Markup:
    designs = report.designs()
    kinds = {"run": "run", "sweep": "sweep", "replay": "replay", "benchmark": "benchmark"}
    kind = kinds.get(str(report.meta.get("kind")), "run")
    against = tag("span", " against ", class_="quiet")
    names = [part for design in designs for part in (against, f"{design.name}: {design.title}")][1:]
    words = [str(report.meta.get("started") or "").replace("T", " ").replace("+00:00", " UTC"), f"{report.folder.name}"]
    tool = report.meta.get("tool")
    if isinstance(tool, dict) and tool.get("version"):
        words.insert(1, f"vgic-bench {tool['version']}")
    incomplete = (
        None
        if report.meta.get("complete", True)
        else tag("p", "This run was not finished: what is missing was not measured.", class_="warning")
    )
    return join(
        tag("p", f"vgic-bench {kind}", class_="kicker"),
        tag("h1", "What an interrupt costs"),
        tag("p", names, class_="subtitle") if names else None,
        tag("p", " · ".join(word for word in words if word), class_="quiet"),
        incomplete,
    )


def build(results_folder: str | Path, output_path: str | Path, baseline_folder: str | Path | None = None) -> Path:
    """Write the report of a results folder as one HTML file and return its path.

    `baseline_folder`: another results folder to compare it with. Raises UsageError when one of them is not a results
    folder that this version reads, holds nothing, or the file cannot be written.
    """
    report = Report(results_folder)
    return write(report, output_path, baseline_folder)


def write(report: Report, output_path: str | Path, baseline_folder: str | Path | None = None) -> Path:
    """Write the report of results that were read already, as `build` does."""
    html = page(f"vgic-bench: {report.folder.name}", _heading(report), sections_of(report, baseline_folder))
    with atomic_write(output_path) as file:
        # A path need not be UTF-8: what is not shows as question marks.
        file.write(html.encode("utf-8", "replace"))
    return Path(output_path)
