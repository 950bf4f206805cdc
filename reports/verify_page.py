# SPDX-License-Identifier: GPL-2.0-only
"""The page of a verification: classes and designs, and each class's shortest trace as a time line.

It reads what `vgic-bench verify -o FOLDER` writes: `verify.json` and the trace files beside it. A time line has four
lanes: the guest; entries and exits of the vCPU; the distributor and its devices; and the list registers.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kvmarm.errors import UsageError
from kvmarm.files import atomic_write
from reports.document import page
from reports.html import Markup, join, slug, tag
from reports.sections import Section, head, scroll

RESULT = "verify.json"
GUEST, VCPU, DISTRIBUTOR, LIST_REGISTERS = "guest", "vCPU", "distributor and devices", "list registers"
LANES = (GUEST, VCPU, DISTRIBUTOR, LIST_REGISTERS)
_LANE_OF = {
    **dict.fromkeys(("ack", "eoi", "dir", "pmr", "ctlr", "bpr"), GUEST),
    **dict.fromkeys(("flush", "sync", "pending"), VCPU),
}
_LOADED = "list registers: "


@dataclass(frozen=True)
class Moment:
    """One line of a time line: a heading alone, or an operation in its lane with what was observed."""

    heading: str = ""
    lane: str = ""
    operation: str = ""
    observed: str = ""
    registers: str = ""


def is_verification(folder: Path) -> bool:
    """Return whether a folder holds a verification."""
    return (folder / RESULT).is_file()


def moments(trace: str) -> Iterator[Moment]:
    """Yield the time line of a trace file as verify writes it, without the guest's set-up."""
    lines = trace.splitlines()
    start = next((number for number, line in enumerate(lines) if line == "#"), 0)
    for line in lines[start:]:
        if line.startswith("#"):
            words = line.lstrip("# ")
            if words and not words.startswith(("observed:", "required:")):
                yield Moment(heading=words)
            continue
        operation, _, comment = line.partition("  # ")
        if not operation or operation.startswith("config"):
            continue
        notes = comment.split("; ") if comment else []
        loaded = [note.removeprefix(_LOADED) for note in notes if note.startswith(_LOADED)]
        seen = "; ".join(note for note in notes if not note.startswith(_LOADED))
        lane = _LANE_OF.get(operation.split()[0], DISTRIBUTOR)
        yield Moment("", lane, operation, seen, ", ".join(loaded))


def _cell(moment: Moment, lane: str) -> Markup:
    if lane == LIST_REGISTERS:
        return tag("td", tag("code", moment.registers) if moment.registers else None)
    if lane != moment.lane:
        return tag("td")
    seen = tag("strong", f" → {moment.observed}") if moment.observed else None
    return tag("td", tag("code", moment.operation), seen, class_="held")


def _time_line(trace: str, label: str) -> Markup:
    rows = []
    for moment in moments(trace):
        if moment.heading:
            rows.append(tag("tr", tag("th", moment.heading, scope="rowgroup", colspan=len(LANES))))
        else:
            rows.append(tag("tr", [_cell(moment, lane) for lane in LANES]))
    return scroll(tag("table", head(*LANES), tag("tbody", rows)), label)


def _read(folder: Path) -> dict[str, Any]:
    try:
        stored: dict[str, Any] = json.loads((folder / RESULT).read_text())
        for one in stored["designs"].values():
            for row in one["signatures"]:
                (row["class"], row["signature"], row["depth"], row["trace"], row["observed"], row["required"])
    except OSError as error:
        raise UsageError(f"{folder / RESULT}: cannot be read: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{folder / RESULT}: not a result of vgic-bench verify: expected what it writes") from error
    return stored


def _classes(designs: dict[str, Any]) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """Return class -> design -> its signatures, the shortest first."""
    found: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for name, one in designs.items():
        for row in sorted(one["signatures"], key=lambda row: row["depth"]):
            found.setdefault(row["class"], {}).setdefault(name, []).append(row)
    return found


def _overview(designs: dict[str, Any], classes: dict[str, dict[str, list[dict[str, Any]]]]) -> Section:
    rows = []
    for cls, by_design in classes.items():
        cells = [tag("th", tag("a", cls, href=f"#{slug(cls)}"), scope="row")]
        for name in designs:
            found = by_design.get(name, [])
            words = f"{len(found)} signatures, shortest {found[0]['depth']} operations" if found else "none"
            cells.append(tag("td", words))
        rows.append(tag("tr", cells))
    extents = [
        tag("li", f"{name}: {one['states']:,} states, {one['transitions']:,} transitions; "
            + ("every search was exhaustive." if one["closed"] else "not every search was exhaustive."))
        for name, one in designs.items()
    ]  # fmt: skip
    table = scroll(tag("table", head("class", *designs), tag("tbody", rows)), "Classes and designs")
    nothing = None if classes else tag("p", "Nothing contradicts the architecture.")
    return Section("classes", "Classes and designs", "Classes", join(tag("ul", extents), nothing, table))


def _class_section(folder: Path, cls: str, by_design: dict[str, list[dict[str, Any]]]) -> Section:
    parts: list[Any] = []
    for name, rows in by_design.items():
        first = rows[0]
        parts.append(tag("h3", f"{name}: {first['signature']}"))
        parts.append(tag("p", tag("strong", "Observed: "), first["observed"]))
        parts.append(tag("p", tag("strong", "Required: "), first["required"]))
        if first["trace"]:
            path = folder / Path(first["trace"]).name
            if path.is_file():
                parts.append(_time_line(path.read_text(), f"{name}: {first['signature']}"))
        others = [tag("li", f"{row['signature']}: {row['depth']} operations") for row in rows[1:]]
        if others:
            parts.append(tag("details", tag("summary", f"{len(others)} more signatures"), tag("ul", others)))
    return Section(slug(cls), cls, cls, join(*parts))


def write_page(folder: Path, output: Path) -> Path:
    """Write the page of a verification in `folder`; return its path. Raises UsageError for a folder without one."""
    designs = _read(folder)["designs"]
    classes = _classes(designs)
    sections = [_overview(designs, classes)]
    sections += [_class_section(folder, cls, by_design) for cls, by_design in classes.items()]
    title = f"Verified: {', '.join(designs)}"
    with atomic_write(output) as file:
        file.write(page(title, tag("h1", title), sections, "To the classes").encode())
    return output
