# SPDX-License-Identifier: GPL-2.0-only
"""What designs do step by step, side by side: in the terminal, and as a separate page.

The steps come from bench.explain.steps; here they are only laid out. A lock's timeline has one column per lock
operation, in the order the design took and released them; it says what is nested in what, not how long it took.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.explain.steps import DesignStep, Step, step_lines
from kvmarm.events import event_names, event_texts
from kvmarm.files import atomic_write
from reports.document import page
from reports.html import Markup, join, tag
from reports.sections import Section, head, scroll

WIDEST = 64
"""Lock operations drawn; a longer sequence is cut, and says so."""


def held(locks: Sequence[str]) -> dict[str, list[tuple[int, int]]]:
    """Return for each lock when it was held: (first, last) positions in the sequence of `+name` and `-name`.

    Locks in the order in which they were first taken. One still held at the end is held up to the last position.
    """
    spans: dict[str, list[tuple[int, int]]] = {}
    taken: dict[str, int] = {}
    for position, entry in enumerate(locks):
        sign, name = entry[0], entry[1:]
        if sign == "+":
            spans.setdefault(name, [])
            taken[name] = position
        elif name in taken:
            spans[name].append((taken.pop(name), position))
    for name, start in taken.items():
        spans[name].append((start, len(locks) - 1))
    return spans


def lock_lines(locks: Sequence[str]) -> list[str]:
    """Return the timeline of locks as lines of text, one a lock: `ap0    ━━━━━━`."""
    shown = list(locks[:WIDEST])
    spans = held(shown)
    width = max((len(name) for name in spans), default=0)
    lines = []
    for name, periods in spans.items():
        bar = [" "] * len(shown)
        for first, last in periods:
            bar[first : last + 1] = "━" * (last - first + 1)
        lines.append(f"{name:<{width}} {''.join(bar).rstrip()}")
    if len(locks) > WIDEST:
        lines.append(f"… {len(locks) - WIDEST} more lock operations")
    return lines


def design_lines(step: DesignStep) -> list[str]:
    """Return one design's part of a step as lines of text, its locks drawn."""
    lines = [line for line in step_lines(step) if not line.startswith("locks ")]
    return lines + lock_lines(step.locks)


def _lock_table(step: DesignStep) -> Markup | None:
    shown = step.locks[:WIDEST]
    if not shown:
        return None
    rows = []
    for name, periods in held(shown).items():
        cells = []
        for position in range(len(shown)):
            inside = any(first <= position <= last for first, last in periods)
            edge = next(
                (mark for first, last in periods for place, mark in ((first, "+"), (last, "−")) if place == position),
                "",
            )
            cells.append(tag("td", edge, class_="held" if inside else None))
        rows.append(tag("tr", tag("th", name, scope="row"), cells))
    more = (
        tag("p", f"… {len(step.locks) - WIDEST} more lock operations", class_="quiet")
        if len(step.locks) > WIDEST
        else None
    )
    return join(
        tag(
            "table",
            tag("caption", "Locks, in the order taken (+) and released (−)"),
            tag("tbody", rows),
            class_="locks",
        ),
        more,
    )


def _design(step: DesignStep, title: str) -> Markup:
    parts: list[Any] = [tag("h3", title)]
    if step.bug:
        parts.append(tag("p", f"The host dies: BUG_ON at {step.bug}", class_="warning"))
    if step.result:
        parts.append(
            tag("p", "Returns ", tag("code", " ".join(f"{name}={text}" for name, text in step.result if name != "lrs")))
        )
    if step.loaded:
        parts.append(tag("ul", [tag("li", line) for line in step.loaded]))
    if step.changes:
        rows = [
            tag(
                "tr",
                tag("th", what, scope="row"),
                tag("td", before or "at rest", class_="text"),
                tag("td", after or "at rest", class_="text"),
            )
            for what, before, after in step.changes
        ]
        parts.append(
            tag("table", head("State", ("Before", "text"), ("After", "text")), tag("tbody", rows), class_="changes")
        )
    else:
        parts.append(tag("p", "No state changes.", class_="quiet"))
    if step.kicks:
        parts.append(tag("p", "Kicks vCPU ", ", ".join(map(str, step.kicks)), "."))
    parts.append(_lock_table(step))
    if step.counts:
        texts = dict(zip(event_names(), event_texts(), strict=True))
        rows = [
            tag(
                "tr",
                tag("th", name, scope="row"),
                tag("td", count),
                tag("td", texts.get(name, ""), class_="text quiet wide"),
            )
            for name, count in step.counts.items()
        ]
        parts.append(tag("table", head("Event", "Count", ("What it is", "text")), tag("tbody", rows)))
    return tag("div", parts)


def build_page(
    path: str | Path, steps: Sequence[Step], titles: Mapping[str, str], heading: str, about: Sequence[str]
) -> Path:
    """Write steps as one self-contained HTML page and return its path. Raises UsageError when it can't be written.

    titles: design name -> title. heading: what is explained. about: paragraphs below it.
    """
    sections = []
    for step in steps:
        columns = tag(
            "div", [_design(part, titles.get(part.design, part.design)) for part in step.designs], class_="columns"
        )
        meaning = tag("p", step.meaning, class_="lead") if step.meaning else None
        body = join(meaning, scroll(columns, "What each design does"))
        sections.append(Section(f"op-{step.number}", f"{step.number}: {step.line}", str(step.number), body))
    intro = join(
        tag("p", "vgic-bench explain", class_="kicker"), tag("h1", heading), [tag("p", text) for text in about]
    )
    html = page(f"vgic-bench explain: {heading}", intro, sections, "To the first operation")
    with atomic_write(path) as file:
        # A path need not be UTF-8: what is not shows as question marks.
        file.write(html.encode("utf-8", "replace"))
    return Path(path)
