# SPDX-License-Identifier: GPL-2.0-only
"""A report: the steps that lead to a contradiction, run again from the root, as a trace file with comments.

Each is run on a fresh record without the search's gathering and scattering of states. It is run once more as a trace
file by the engine's trace runner and by the monitors over a given trace. One that does not show the same signature
again is a defect of the search.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bench.engine.runner import TraceRun
from bench.verify import classes as c
from bench.verify import records as r
from bench.verify.classes import class_name, is_advice, signature_of, signature_text
from bench.verify.configurations import Configuration, alphabet, instances
from bench.verify.drain import drain, hold, holder, read_all
from bench.verify.memory import Memory
from bench.verify.requirements import requirement, sentence
from bench.verify.search import prepare
from bench.verify.step import ADVICE_KICK, ADVICE_PENDING, allowed, take_step
from bench.verify.trace import verify_trace
from kvmarm.design import Design
from kvmarm.trace import ACK, ISACTIVE, MMIO_R, PENDING, format_op
from kvmarm.trace_read import parse_trace

_READ = {c.REGISTER, c.IS_ACTIVE}
_HELD = {c.NO_PREEMPTION}
_DRAINED = {c.LOST, c.STRANDED, c.ACTIVE_FOR_EVER, c.NOT_WOKEN, c.NOT_KICKED, c.LIVELOCK, c.NEVER_SLEEPS}
_AT_REST = 1 << 16
_PHASE_TITLES = {
    int(r.READING): "A vCPU that is out of the guest reads:",
    int(r.DRAINING): "Left alone, the VM does this; nothing more comes:",
    int(r.FORCING): "Every vCPU is made to exit and to enter again; still nothing comes:",
    int(r.HOLDING): "Every vCPU exits and enters; the vCPU acknowledges without an EOI, twice:",
}
_STEP_NAMES = (
    "enters the guest", "leaves the guest", "acknowledges", "writes EOIR", "writes DIR", "raises its line",
    "lowers its line", "fires", "enables", "disables", "sets pending", "clears pending", "sets active",
    "clears active", "sets the priority", "routes", "sets the trigger", "the distributor", "sends SGI",
    "sets the source (SPENDSGIR)", "clears the source (CPENDSGIR)", "WFI",
)  # fmt: skip


class ReplayError(RuntimeError):
    """A report did not show the same signature again: the search has a defect."""


@dataclass
class Report:
    """One signature of one configuration. log: records of LOGGED, from the set-up on; trace: the lines of its file."""

    design: str
    configuration: Configuration
    code: int
    depth: int
    count: int
    path: list[int] = field(default_factory=list)
    log: np.ndarray = field(default_factory=lambda: np.zeros(0, r.LOGGED))
    trace: list[str] = field(default_factory=list)


@dataclass
class Played:
    """What a path showed: the signatures met in order, and the log cut where the sought one was met."""

    codes: list[int]
    log: np.ndarray


def _verdict(memory: Memory) -> int:
    world = memory.world
    verdict = world.verdict
    found = signature_of(world, *(np.int64(verdict[name]) for name in ("cls", "x", "reason", "detail")))
    return int(found)


def play(design: Design, configuration: Configuration, path: list[int], probe: str, sought: int) -> Played:
    """Do the steps of `path` on a fresh record, then `probe` ("", "read", "hold" or "drain") what came of them."""
    memory = prepare(design, configuration, discover=False)
    world = memory.world
    codes: list[int] = []
    for index, number in enumerate(path):
        if not allowed(world, world.setup.step[number]):
            raise ReplayError(f"step {index + 1} of {len(path)} is not allowed")
        world.step, world.phase = index, r.PATH
        take_step(world, memory.words, np.int64(number))
        if world.advice & ADVICE_PENDING:
            codes.append(int(signature_of(world, c.WAKES_FOR_NOTHING, r.NONE, r.OFF, r.OFF)))
        if world.advice & ADVICE_KICK:
            codes.append(int(signature_of(world, c.WAKES_FOR_NOTHING, r.NONE, r.ON, r.OFF)))
        if world.verdict.cls:
            codes.append(_verdict(memory))
        if world.fatal:
            return Played(codes, np.array(world.log[: world.logged]))
    world.search.found = 0
    if probe == "read":
        read_all(world, memory.words)
    elif probe == "hold" and holder(world) >= 0:
        hold(world, memory.words, np.int64(holder(world)))
    elif probe == "drain":
        drain(world, memory.words)
    logged = int(world.logged)
    for found in world.found[: world.search.found]:
        codes.append(int(found["code"]))
        if int(found["code"]) == sought:
            logged = int(found["logged"])
    return Played(codes, np.array(world.log[:logged]))


def probe_of(code: int) -> str:
    """Return what is asked of a state to see a signature."""
    cls = code & 0xFF
    if cls in _READ:
        return "read"
    if cls in _HELD:
        return "hold"
    at_rest = cls == c.PHYSICAL and code & 0xFF0000 == _AT_REST
    return "drain" if cls in _DRAINED or at_rest else ""


def _shown(code: int, log: np.ndarray) -> np.ndarray:
    """Return the part of a log that belongs into the trace of a signature."""
    phases = log["phase"]
    if code & 0xFF in (c.NOT_WOKEN, c.NOT_KICKED):
        return log[phases <= r.DRAINING]
    if code & 0xFF in (c.LIVELOCK, c.NEVER_SLEEPS, c.WAKES_FOR_NOTHING):
        return log[phases <= r.PATH]
    kept = phases != r.RESTING
    reading = np.flatnonzero(phases == r.READING)
    if len(reading):
        kept[reading[:-1]] = False
    return log[kept]


def make_report(design: Design, configuration: Configuration, found: Any, path: list[int]) -> Report:
    """Return the report of a signature (`found`: a record of FOUND), replayed in every way. Raises ReplayError."""
    code, depth, count = int(found["code"]), int(found["depth"]), int(found["count"])
    played = play(design, configuration, path, probe_of(code), code)
    if code not in played.codes:
        raise ReplayError(f"{_name(design, configuration, code)}: not met again on a fresh record")
    report = Report(design.name, configuration, code, depth, count, path, _shown(code, played.log))
    report.trace = trace_lines(report, design)
    if not is_advice(code):
        _replay_as_trace(report, design)
    return report


def _name(design: Design, configuration: Configuration, code: int) -> str:
    return f"design {design.name}, {configuration.name}: {signature_text(code, dict(design.bugs))}"


def _replay_as_trace(report: Report, design: Design) -> None:
    """Run the report's trace file as any trace, and under the monitors; both must show what the search saw."""
    trace = parse_trace("\n".join(report.trace).encode(), name="report")
    parts: list[bytes] = []
    outcome = TraceRun(trace, design).run(write_result=parts.append)
    name = _name(design, report.configuration, report.code)
    _note_list_registers(report, b"".join(parts).decode().splitlines())
    for entry, line in zip(report.log, b"".join(parts).decode().splitlines(), strict=True):
        fields = dict(word.split("=", 1) for word in line.split()[1:])
        if entry["op"]["kind"] in (ACK, PENDING, ISACTIVE, MMIO_R) and int(fields["value"], 16) != int(entry["value"]):
            raise ReplayError(f"{name}: as a trace file it observes otherwise: {line}")
    if (outcome.bug is not None) != (report.code & 0xFF == c.HOST_KILLED):
        raise ReplayError(f"{name}: as a trace file it ends otherwise")
    if report.configuration.hostile:
        return
    finding = verify_trace(trace, design)
    if finding.code != report.code:
        met = "nothing" if finding.code is None else signature_text(finding.code)
        raise ReplayError(f"{name}: the monitors find {met} in its trace file")


def _note_list_registers(report: Report, results: list[str]) -> None:
    """Add what the list registers held at each entry and exit to the trace's comments."""
    operations = [n for n, line in enumerate(report.trace) if not line.startswith(("#", "config"))]
    for number, result in zip(operations, results, strict=False):
        held = dict(word.split("=", 1) for word in result.split()[1:]).get("lrs")
        if held:
            line = report.trace[number]
            report.trace[number] = f"{line}{'; ' if '  # ' in line else '  # '}list registers: {held.replace(',', ' ')}"


def step_text(configuration: Configuration, step: Any) -> str:
    """Return one step of the alphabet in words."""
    kind, vcpu, x, value = (int(step[name]) for name in ("kind", "vcpu", "x", "value"))
    words = _STEP_NAMES[kind]
    subject = f"vCPU {vcpu}"
    if x < 0:
        return f"{subject}: {words} {'on' if value else 'off'}" if kind == r.DISTRIBUTOR else f"{subject}: {words}"
    instance = instances(configuration)[x]
    intid = f"INTID {instance.irq.intid}"
    if kind in (r.RAISE, r.LOWER, r.FIRE):
        return f"the device of {intid} {words}"
    if kind == r.SEND:
        return f"{subject}: {words} {instance.irq.intid} to vCPU {instance.owner}"
    extra = {
        int(r.PRIORITY): f" to {value:#x}",
        int(r.ROUTE): f" to {'nowhere' if value < 0 else f'vCPU {value}'}",
        int(r.TRIGGER): f" to {'edge' if value else 'level'}",
    }.get(kind, f" vCPU {instance.sender}" if kind in (r.SET_SOURCE, r.CLEAR_SOURCE) else "")
    return f"{subject}: {words}, {intid}{extra}"


def observed(entry: Any) -> str:
    """Return what one logged operation (a record of LOGGED) let the guest or the VMM observe, "" for nothing."""
    kind, value = int(entry["op"]["kind"]), int(entry["value"])
    words = []
    if kind == ACK:
        words.append("reads 1023: nothing" if value == 1023 else f"reads {value:#x}")
    elif kind in (PENDING, ISACTIVE):
        words.append(f"answers {value}")
    elif kind == MMIO_R:
        words.append(f"reads {value:#x}")
    kicks = int(entry["kicks"])
    kicked = [str(vcpu) for vcpu in range(64) if kicks >> vcpu & 1]
    if kicked:
        words.append(f"kicks vCPU {', '.join(kicked)}")
    return "; ".join(words)


def trace_lines(report: Report, design: Design) -> list[str]:
    """Return the lines of a report's trace file: configuration, steps, what was observed, what is required."""
    configuration, code = report.configuration, report.code
    lines = [
        f"# {class_name(code)}: {sentence(code)}",
        f"# signature: {signature_text(code, dict(design.bugs))}",
        f"# design: {design.name}. configuration: {configuration.name}. depth: {report.depth} operations",
        f"config {configuration.vm}",
    ]
    steps = step_records(configuration)
    step, phase = -1, None
    for entry in report.log:
        entered = int(entry["phase"])
        if entered != phase:
            phase = entered
            title = _PHASE_TITLES.get(phase, "")
            lines.append("# The guest sets up:" if phase == r.SETTING_UP else f"# {title}" if title else "#")
        if phase == r.PATH and int(entry["step"]) != step:
            step = int(entry["step"])
            lines.append(f"# {step + 1}. {step_text(configuration, steps[report.path[step]])}")
        seen = observed(entry)
        lines.append(format_op(entry["op"]) + (f"  # {seen}" if seen else ""))
    lines.append(f"# observed: {signature_text(code, dict(design.bugs))}")
    lines.append(f"# required: {requirement(code)}")
    return lines


def step_records(configuration: Configuration) -> list[dict[str, int]]:
    """Return the alphabet of a configuration as dictionaries with the fields of STEP."""
    names = ("kind", "vcpu", "x", "value")
    return [dict(zip(names, map(int, step), strict=True)) for step in alphabet(configuration)]


def file_name(report: Report) -> str:
    """Return the name of a report's trace file, unique for a design and a signature."""
    words = f"{report.design}-{signature_text(report.code)}".lower()
    return "".join(letter if letter.isalnum() else "-" for letter in words).replace("--", "-").strip("-") + ".trace"
