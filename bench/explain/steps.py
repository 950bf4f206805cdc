# SPDX-License-Identifier: GPL-2.0-only
"""What each operation of a trace does in each design, in words: state, locks, list registers, events.

`explain_trace` gives it as data, for a terminal or a page to lay out: a design says what its state is
(`Design.snapshot`), the observer what was locked and counted, the result what came back.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from bench.engine.result_text import result_fields
from bench.engine.runner import BUG, DONE, TraceRun
from bench.explain.its import ItsWatch
from kvmarm import gic as arch
from kvmarm import lr as lr_fields
from kvmarm.design import Design, get_design
from kvmarm.errors import UsageError
from kvmarm.events import event_names
from kvmarm.locks import lock_name
from kvmarm.trace import (
    FLUSH,
    GMEM_R,
    GMEM_W,
    INJECT,
    INJECTM,
    MMIO_R,
    MMIO_W,
    MSI,
    OP,
    SGI1R,
    SYNC,
    Trace,
    format_op,
)

_ITS = -2
LR_STATES = ("empty", "pending", "active", "pending and active")


@dataclass(frozen=True)
class DesignStep:
    """What one operation did in one design.

    result: (field, text) pairs as in the result file. kicks: vCPUs kicked. changes: (what, before, after), texts of
    Design.snapshot, "" where it was or is at rest. locks: `+name`, `-name` in order. counts: event -> number.
    loaded: list registers in words after a flush, or as saved by a sync. bug: FILE:LINE of a BUG_ON or None.
    """

    design: str
    result: list[tuple[str, str]]
    kicks: list[int]
    changes: list[tuple[str, str, str]]
    locks: list[str]
    counts: dict[str, int]
    loaded: list[str]
    bug: str | None


@dataclass(frozen=True)
class Step:
    """One operation (number, trace line, meaning) and what each design made of it, in the order asked for."""

    number: int
    line: str
    meaning: str
    designs: list[DesignStep]


def describe_lr(gic: int, lr: int) -> str:
    """Return a raw list register in words, for example `INTID 34 pending, priority 0xa0, EOI maintenance`."""
    raw = np.uint64(lr)
    state = LR_STATES[int(lr_fields.lr_state(gic, raw))]
    words = f"INTID {int(lr_fields.lr_intid(gic, raw))} {state}"
    intid = int(lr_fields.lr_intid(gic, raw))
    if gic == 2 and intid < arch.SGIS and not lr_fields.lr_is_hw(gic, raw):
        words += f" from vCPU {int(raw) >> arch.V2_LR_CPUID_SHIFT & 7}"
    words += f", priority {int(lr_fields.lr_priority(gic, raw)):#x}"
    if lr_fields.lr_is_hw(gic, raw):
        words += f", forwards physical INTID {int(lr_fields.lr_physical(gic, raw))}"
    if lr_fields.lr_has_eoi(gic, raw):
        words += ", EOI maintenance"
    return words


def meaning_of(trace: Trace, index: int, commands: Sequence[str] = ()) -> str:
    """Return what operation `index` (from 0) asks for, in words. commands: of the ITS, which it runs."""
    op = trace.ops[index]
    kind, vcpu, a, b, c = (int(op[name]) for name in ("kind", "vcpu", "a", "b", "c"))
    if kind in (INJECT, INJECTM):
        forwarded = "forwarded " if kind == INJECTM else ""
        return f"a device drives the line of {forwarded}INTID {a} {'high' if b else 'low'}"
    if kind == MSI:
        return f"device {a:#x} writes event {b} to GITS_TRANSLATER"
    if kind in (GMEM_W, GMEM_R):
        return f"a {'store to' if kind == GMEM_W else 'load from'} guest memory"
    if kind in (MMIO_W, MMIO_R) and a == _ITS:
        what = f"vCPU {vcpu} {'writes' if kind == MMIO_W else 'reads'} {arch.its_register_name(b)}, {c} bytes"
        return what + (f": {'; '.join(commands)}" if commands else "")
    if kind in (MMIO_W, MMIO_R):
        register = arch.register_name(trace.config.gic, a >= 0, b)
        where = f" of vCPU {a}" if a >= 0 else ""
        return f"vCPU {vcpu} {'writes' if kind == MMIO_W else 'reads'} {register}{where}, {c} bytes"
    return {
        SGI1R: f"vCPU {vcpu} sends an SGI through ICC_SGI1R_EL1",
        FLUSH: f"vCPU {vcpu} enters the guest: flush, then the list registers are loaded",
        SYNC: f"vCPU {vcpu} leaves the guest: the list registers are saved, then sync",
    }.get(kind, "")


class _Stepper:
    """A design going through a trace one operation at a time."""

    def __init__(self, trace: Trace, design: Design) -> None:
        self.design = design
        self.run = TraceRun(trace, design, count=True)
        self.dead = False

    def skip_to(self, index: int) -> None:
        self._advance(index)

    def _advance(self, stop: int) -> int:
        run = self.run
        assert run.observer is not None
        run.observer.log_length = 0
        if self.dead or run.position >= stop:
            return DONE
        status, _ = run.advance(stop)
        if status == BUG:
            self.dead = True
        elif status != DONE:
            raise UsageError(run.illegal(status))
        return int(status)

    def step(self, index: int) -> DesignStep | None:
        if self.dead:
            return None
        run, vm = self.run, self.run.vm
        assert run.observer is not None and run.counts is not None
        before = self.design.snapshot(vm)
        status = self._advance(index + 1)
        after = self.design.snapshot(vm)
        kind = int(run.ops[index].kind)
        keys = [*before, *(key for key in after if key not in before)]
        changes = [(k, before.get(k, ""), after.get(k, "")) for k in keys if before.get(k, "") != after.get(k, "")]
        fields = result_fields(run.result, int(vm.lrs)) if status == DONE or kind == SYNC else []
        loaded = []
        if kind in (FLUSH, SYNC) and fields:
            for number, lr in enumerate(run.result.lr[: vm.lrs]):
                if int(lr_fields.lr_state(int(vm.gic), lr)):
                    loaded.append(f"LR{number}: {describe_lr(int(vm.gic), int(lr))}")
        counts = {name: int(n) for name, n in zip(event_names(), run.counts[index], strict=True) if n}
        return DesignStep(
            design=self.design.name,
            result=fields,
            kicks=[int(vcpu) for vcpu in run.caller.kicks[: run.caller.kick_count]],
            changes=changes,
            locks=[lock_name(int(entry)) for entry in run.observer.log[: run.observer.log_length]],
            counts=counts,
            loaded=loaded,
            bug=self.design.bugs[int(vm.bug)] if status == BUG else None,
        )


def explain_trace(trace: Trace, designs: list[str], only: int = 0, first: int = 1) -> Iterator[Step]:
    """Yield a Step per operation of `trace` from number `first` on (from 1), or only that of operation number `only`.

    Raises UsageError for an unknown design, an operation number beyond the trace, or an illegal operation.
    """
    if only > len(trace.ops):
        raise UsageError(f"--op {only}: expected 1..{len(trace.ops)}, the operations of {trace.name}")
    steppers = [_Stepper(trace, get_design(name)) for name in designs]
    if not steppers:
        raise UsageError("--designs: expected at least one design")
    indexes = [only - 1] if only else range(first - 1, len(trace.ops))
    watch, watched = ItsWatch(), 0
    for index in indexes:
        for stepper in steppers:
            stepper.skip_to(index)
        steps = [step for step in (stepper.step(index) for stepper in steppers) if step is not None]
        if not steps:
            return
        commands: list[str] = []
        while trace.config.its and watched <= index:
            op = dict(zip(OP.names or (), trace.ops[watched].tolist(), strict=True))
            commands = watch.follow(op, int(steppers[0].run.values[op["ref"]]) if op["ref"] else op["value"])
            watched += 1
        yield Step(index + 1, format_op(trace.ops[index]), meaning_of(trace, index, commands), steps)


def step_lines(step: DesignStep) -> list[str]:
    """Return one design's part of a step as lines of text."""
    lines = []
    if step.result:
        lines.append("returns " + " ".join(f"{name}={text}" for name, text in step.result if name != "lrs"))
    lines += step.loaded
    for what, before, after in step.changes:
        lines.append(f"{what}: {before or 'at rest'} → {after or 'at rest'}")
    if not step.changes:
        lines.append("no state changes")
    if step.locks:
        taken = [name[1:] for name in step.locks if name[0] == "+"]
        shown = ", ".join(taken[:12]) + (f" … ({len(taken)} in all)" if len(taken) > 12 else "")
        lines.append(f"locks {shown}")
    if step.kicks:
        lines.append("kicks vCPU " + ", ".join(map(str, step.kicks)))
    if step.bug:
        lines.append(f"the host dies: BUG_ON at {step.bug}")
    if step.counts:
        lines.append("counts " + ", ".join(f"{name} {number}" for name, number in step.counts.items()))
    return lines
