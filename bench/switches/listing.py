# SPDX-License-Identifier: GPL-2.0-only
"""World switches for readers and scripts: step lists, a comparison by register group, the programs themselves."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from kvmarm.el2.configuration import Configuration, parse_configuration
from kvmarm.el2.instructions import CLASSES, VISIBLE_CLASSES, Program
from kvmarm.el2.machine import Executed
from kvmarm.el2.switch import WorldSwitch, boot_programs, get_switch, model_of, switch_names
from kvmarm.errors import UsageError
from kvmarm.inputs import parse_json, read_standard_input, read_text

GROUPS: dict[str, str] = {
    "GP registers": "the same slots; the C switch keeps the host's callee-saved registers on its stack as well",
    "return state": "asm: with the general registers; C: with the system registers; VHE: the host's EL1 copies stay",
    "FP registers": "lazy in both; asm calls its routines always and asks CPTR_EL2 each time, C asks once",
    "EL1 system registers": "asm: pairs, all reads first; C: one load or store each; VHE: the host keeps its own",
    "32-bit state": "the same registers; C asks again whether FP was used",
    "VGIC registers": "asm: all list registers and all status, always; C: live list registers only, zeroed at exit",
    "timer registers": "the same; asm has a barrier between control and compare value at exit",
    "EL2 configuration": "C also sets the PMU's user access, and CPTR_EL2 at once instead of after FP",
    "EL2 virtual memory": "the same; VHE needs no test of VTTBR_EL2 at the host's call",
    "debug registers": "nothing unless dirty; C pays function calls to find that out",
    "fault information": "asm reads the fault addresses for every trap, C for aborts only",
    "hyp private": "the same: TPIDR_EL2 holds the vCPU",
    "call and trap path": "C: frames, addresses, function pointers; VHE: no exception at the host's call",
}
"""Register groups, after ISCA'16 Table III with what it leaves out, and why the two switches differ in each."""


@dataclass(frozen=True)
class Request:
    """A configuration to run, and the one phase that was asked for (None: all of them)."""

    configuration: Configuration
    phase: str | None = None
    where: str = "configuration"


def read_requests(path: Path) -> list[Request]:
    """Read configurations, one JSON object a line (`-`: standard input). Raises UsageError naming file and line."""
    text = read_standard_input() if str(path) == "-" else read_text(path)
    requests = []
    name = "standard input" if str(path) == "-" else path
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        where = f"{name}: line {number}"
        values = parse_json(line, where, "one JSON object a line")
        if not isinstance(values, dict):
            raise UsageError(f"{where}: expected one JSON object with the keys of a configuration")
        configuration = parse_configuration(values, where)
        model_of(configuration, where)
        phase = values.get("phase")
        if phase is not None and phase not in configuration.phases:
            raise UsageError(f"{where}: phase: no {phase} with fp_used=0; expected {', '.join(configuration.phases)}")
        requests.append(Request(configuration, phase, where))
    if not requests:
        raise UsageError(f"{name}: no configurations; expected one JSON object a line")
    return requests


def step_lists(requests: Sequence[Request]) -> Iterator[dict[str, Any]]:
    """Yield one object for each configuration and phase: id, implementation, phase, sequence, counts, total."""
    worlds: dict[str, WorldSwitch] = {}
    for request in requests:
        configuration = request.configuration
        model = model_of(configuration, request.where)
        world = worlds.setdefault(model.name, WorldSwitch(model.programs))
        for phase, executed in world.run(configuration).items():
            if request.phase in (None, phase):
                counts = executed.counts()
                yield {
                    "id": configuration.name,
                    "implementation": configuration.implementation,
                    "phase": phase,
                    "sequence": executed.sequence(),
                    "counts": counts,
                    "total": sum(counts.values()),
                }


def variants(configuration: Configuration) -> list[tuple[str, Configuration]]:
    """Return (title, configuration) of every switch on the same machine and VM, each without and with VHE."""
    found = []
    for name in switch_names():
        model = get_switch(name)
        for vhe in (False, True) if model.vhe else (False,):
            title = f"{model.name}+VHE" if vhe else model.name
            found.append((title, replace(configuration, implementation=model.implementation_name(vhe), vhe=vhe, id="")))
    return found


def run(configuration: Configuration) -> dict[str, Executed]:
    """Execute every phase of a configuration. Raises UsageError for what its implementation lacks."""
    return WorldSwitch(model_of(configuration).programs).run(configuration)


def direction_of(phase: str, piece: str) -> str:
    """Return whether a piece of a phase saves or restores: host state is restored on exit, the guest's saved.

    What belongs to neither (the VGIC's interface, the timer, traps, the way in and out) is saved on exit.
    """
    of_host = piece.startswith("host")
    return "restore" if (phase == "exit") == of_host else "save"


def compare_groups(configuration: Configuration) -> list[dict[str, Any]]:
    """Return, for each register group, what every switch executes in a round trip.

    One row a group: `group`, `why`, and for each variant `instructions`, of these `save` and `restore` (see
    `direction_of`), `accesses` (what the hardware sees), `counts`.
    The last row is the total. Groups that no variant touches are left out.
    """
    ran = {title: _grouped(run(one)) for title, one in variants(configuration)}
    groups = [*GROUPS, *sorted({group for cells in ran.values() for group in cells} - set(GROUPS))]
    rows: list[dict[str, Any]] = []
    for group in groups:
        found = {title: cells.get(group, _Cell()) for title, cells in ran.items()}
        if any(cell.instructions for cell in found.values()):
            why = GROUPS.get(group, "")
            rows.append({"group": group, "why": why, **{title: cell.row() for title, cell in found.items()}})
    totals = {title: sum(cells.values(), _Cell()).row() for title, cells in ran.items()}
    return [*rows, {"group": "total", "why": "", **totals}]


@dataclass
class _Cell:
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(CLASSES, 0))
    directions: dict[str, int] = field(default_factory=lambda: {"save": 0, "restore": 0})

    @property
    def instructions(self) -> int:
        return sum(self.counts.values())

    def __add__(self, other: "_Cell") -> "_Cell":
        return _Cell(
            {klass: number + other.counts[klass] for klass, number in self.counts.items()},
            {way: number + other.directions[way] for way, number in self.directions.items()},
        )

    def row(self) -> dict[str, Any]:
        seen = sum(number for klass, number in self.counts.items() if klass in VISIBLE_CLASSES)
        return {"instructions": self.instructions, **self.directions, "accesses": seen, "counts": self.counts}


def _grouped(phases: dict[str, Executed]) -> dict[str, _Cell]:
    cells: dict[str, _Cell] = {}
    for phase, executed in phases.items():
        for (group, piece), counts in executed.counts_by(lambda line: (line.group, line.piece)).items():
            added = _Cell(counts)
            added.directions[direction_of(phase, piece)] = added.instructions
            cells[group] = cells.get(group, _Cell()) + added
    return {group: cell for group, cell in cells.items() if cell.instructions}


def listing(configuration: Configuration, phase: str, *, executed_only: bool = False) -> Iterator[str]:
    """Yield the lines of a phase's program: heads of pieces, then class and text of each instruction.

    A line that the configuration does not execute starts with `-`; with `executed_only` it is left out.
    """
    model = model_of(configuration)
    program = boot_programs(model.programs, configuration.boot)[phase]
    ran = WorldSwitch(model.programs).run(replace(configuration, fp_used=True) if phase == "fptrap" else configuration)
    yield f"; {model.title}, {phase}: {len(program.instructions)} lines, {_named(configuration)}"
    if not executed_only:
        yield "; `-` marks what is not executed here"
    yield f"; source modelled: {model.source}"
    yield from _lines(program, ran[phase], executed_only)


def _named(configuration: Configuration) -> str:
    vhe = ", VHE" if configuration.vhe else ""
    return f"GIC{configuration.gic}, {configuration.nr_lr} list registers{vhe}"


def _lines(program: Program, ran: Executed, executed_only: bool) -> Iterator[str]:
    steps = set(ran.steps)
    targets = {line.target for line in program.instructions if line.target is not None}
    head = ""
    for index, line in enumerate(program.instructions):
        if executed_only and index not in steps:
            continue
        if line.piece != head:
            head = line.piece
            yield f"\n; {head}" + (f"   [{line.group}]" if line.group else "")
        if index in targets:
            yield f"L{index}:"
        klass = "/".join(CLASSES[k] for k, _ in line.counts)
        text = line.text
        if line.target is not None:
            klass = "branch" if line.counted_branch else ""
            text = f"{text}   -> L{line.target}"
            if index in steps and line.counted_branch:
                klass = "branch_taken" if index in ran.taken else "branch"
        remark = f"   ; {line.note}" if line.note else ""
        yield f"{' ' if index in steps else '-'} {index:4} {klass:13} {text}{remark}".rstrip()
