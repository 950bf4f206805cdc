# SPDX-License-Identifier: GPL-2.0-only
"""The time meter inside one process: one operation of a design, jitted, timed alone and again and again.

A `Prepared` transition is a VM just before its operation. The operation is done once to find the words of memory that
it changes; after each timed call those words are put back, which takes nanoseconds, so that every call finds the same
state, warm. What is timed is the design's entry point alone: the world switch that a flush or a sync goes with is done
before or left out, and so is counting.

On x86-64 each call is timed by the fenced time stamp counter. Its own cost (and the dispatch's) is found with an
operation that does nothing and subtracted. Elsewhere a whole block is timed and that of the empty operation
subtracted, because other machines' counters are too coarse for one call. A sample is the mean of a block's calls
without the slowest tenth, where interrupts of the host and its other work fall. It is a mean because the counter may
step (by 10 ns on some machines): a median would fall on a step and hide what is smaller, a mean averages over them.
"""

import platform
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bench.catalogue.catalogue import Transition
from bench.engine.runner import BUG
from bench.meters.events import Stage
from kvmarm import cpuif, interface
from kvmarm.counter import ns_per_tick
from kvmarm.events import new_caller
from kvmarm.jit import JIT_ENABLED, U64, jit, jit_uncounted
from kvmarm.trace import (
    ACK,
    BPR,
    CTLR,
    DIR,
    EOI,
    FLUSH,
    INJECT,
    INJECTM,
    ISACTIVE,
    MAP,
    MMIO_R,
    MMIO_W,
    OP,
    PENDING,
    PMR,
    SGI1R,
    SYNC,
    UNMAP,
)

NOTHING = -1
"""Kind of an operation that does nothing: what is left is the cost of timing and dispatch."""
SAVE = -2
"""Kind of an operation that saves the hardware into the image: what goes before a sync."""

HAVE_COUNTER = JIT_ENABLED and platform.machine().lower() in ("x86_64", "amd64")

if HAVE_COUNTER:
    from llvmlite import binding, ir
    from numba import types
    from numba.extending import intrinsic

    # numba itself emits no assembly text, so it leaves LLVM's parser for it alone.
    binding.initialize_native_asmparser()

    @intrinsic
    def _counter(typing_context: Any) -> Any:
        """Return the time stamp counter (int64), after all earlier and before all later instructions."""

        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            read = ir.FunctionType(ir.IntType(64), [])
            text = "lfence; rdtsc; shlq $$32, %rdx; orq %rdx, %rax; lfence"
            return builder.asm(read, text, "={rax},~{rdx},~{memory},~{dirflag},~{fpsr},~{flags}", [], True)

        return types.int64(), codegen

    @intrinsic
    def _drain(typing_context: Any) -> Any:
        """Wait until all earlier stores are done: a call's first lock would wait for those that put words back."""

        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            builder.asm(ir.FunctionType(ir.VoidType(), []), "mfence", "~{memory}", [], True)
            return context.get_dummy_value()

        return types.void(), codegen

    ticks: Any = _counter
    drain: Any = _drain
else:

    @jit
    def _no_counter() -> Any:
        """Take the counter's place where there is none fine enough."""
        return 0

    ticks = _no_counter

    @jit
    def _no_drain() -> None:
        """Take the counter's place where there is none fine enough."""

    drain = _no_drain


@jit
def invoke(vm: Any, hardware: Any, op: Any, value: Any, caller: Any) -> None:
    """Do the entry point of one operation (a record of kvmarm.trace.OP) uncounted, without a world switch."""
    kind = op.kind
    vcpu = op.vcpu
    if kind == NOTHING:
        return
    if kind == FLUSH:
        interface.flush(vm, vcpu, caller)
    elif kind == SYNC:
        interface.sync(vm, vcpu, caller)
    elif kind == INJECT:
        interface.inject(vm, vcpu, op.a, op.b, caller)
    elif kind == MMIO_W:
        interface.mmio_write(vm, vcpu, op.a, op.b, op.c, value, caller)
    elif kind == MMIO_R:
        interface.mmio_read(vm, vcpu, op.a, op.b, op.c, caller)
    elif kind == PENDING:
        interface.pending(vm, vcpu, caller)
    elif kind == SGI1R:
        interface.send_sgi(vm, vcpu, value, caller)
    elif kind == INJECTM:
        interface.inject_mapped(vm, vcpu, op.a, op.b, caller)
    elif kind == ACK:
        cpuif.acknowledge(hardware.cpu[vcpu], vm.gic)
    elif kind == EOI:
        cpuif.end_of_interrupt(hardware.cpu[vcpu], vm.gic, value, hardware.physical_active)
    elif kind == DIR:
        cpuif.deactivate_interrupt(hardware.cpu[vcpu], vm.gic, value, hardware.physical_active)
    elif kind == PMR:
        cpuif.set_priority_mask(hardware.cpu[vcpu], op.a)
    elif kind == CTLR:
        cpuif.set_control(hardware.cpu[vcpu], op.a)
    elif kind == BPR:
        cpuif.set_binary_point(hardware.cpu[vcpu], op.a)
    elif kind == ISACTIVE:
        interface.is_active(vm, vcpu, op.a, caller)
    elif kind == MAP:
        interface.map_phys(vm, vcpu, op.a, op.b, caller)
    elif kind == UNMAP:
        interface.unmap_phys(vm, vcpu, op.a, caller)
    elif kind == SAVE:
        interface.save(vm, vcpu, hardware.cpu[vcpu], caller)


@jit_uncounted
def timed_calls(
    vm: Any,
    hardware: Any,
    op: Any,
    value: Any,
    caller: Any,
    vm_words: Any,
    vm_undo: Any,
    hw_words: Any,
    hw_undo: Any,
    out: Any,
) -> None:
    """Call the operation len(out) times, ticks of each in `out` (int64[n]), the state put back after each.

    vm_words, hw_words: the records' memory, uint64[:]. vm_undo, hw_undo: uint64[k, 2], word index and its value.
    """
    for index in range(out.shape[0]):
        drain()
        start = ticks()
        invoke(vm, hardware, op, value, caller)
        out[index] = ticks() - start
        for undo in range(vm_undo.shape[0]):
            vm_words[np.int64(vm_undo[undo, 0])] = vm_undo[undo, 1]
        for undo in range(hw_undo.shape[0]):
            hw_words[np.int64(hw_undo[undo, 0])] = hw_undo[undo, 1]


def operation(kind: int, vcpu: int = 0) -> Any:
    """Return an operation (record of kvmarm.trace.OP) without arguments, NOTHING and SAVE included."""
    op = np.zeros(1, OP).view(np.recarray)[0]
    op.kind, op.vcpu = kind, vcpu
    return op


@dataclass
class Prepared:
    """A VM of one design just before the operation of one transition, and what the operation changes."""

    vm: Any
    hardware: Any
    op: Any
    value: Any
    vm_words: np.ndarray
    vm_undo: np.ndarray
    hw_words: np.ndarray
    hw_undo: np.ndarray
    caller: Any = field(default_factory=new_caller)

    def block(self, op: Any, calls: int) -> np.ndarray:
        """Return ticks (int64[calls]) of calls of `op`."""
        out = np.empty(calls, np.int64)
        timed_calls(
            self.vm,
            self.hardware,
            op,
            self.value,
            self.caller,
            self.vm_words,
            self.vm_undo,
            self.hw_words,
            self.hw_undo,
            out,
        )
        return out


def prepare(stage: Stage, transition: Transition) -> Prepared | None:
    """Bring a stage's VM to just before a transition's operation; None when it does not apply or the host would die."""
    if transition.effective_pending(stage.config, stage.pending) != stage.pending:
        return None
    ops = transition.operations(stage.config)
    stage.reset()
    status, values = stage.play_for_values(ops[:-1])
    if status == BUG:
        return None
    op = ops[-1:].view(np.recarray)[0]
    value = values[op.ref] if op.ref else op.value
    if op.kind == MMIO_W and op.c < 8:
        value &= (U64(1) << U64(8 * op.c)) - U64(1)
    empty = np.empty((0, 2), np.uint64)
    vm_memory, hw_memory = stage.memory
    words = vm_memory.words, hw_memory.words
    prepared = Prepared(stage.vm, stage.hardware, op, np.uint64(value), words[0], empty, words[1], empty)
    if op.kind == SYNC:
        prepared.block(operation(SAVE, int(op.vcpu)), 1)
    vm_before, hw_before = vm_memory.save(), hw_memory.save()
    prepared.block(op, 1)
    if stage.vm.bug != 0:
        return None
    prepared.vm_undo = vm_memory.changes(vm_before)
    prepared.hw_undo = hw_memory.changes(hw_before)
    vm_memory.restore(vm_before)
    hw_memory.restore(hw_before)
    return prepared


def usual_mean(values: np.ndarray) -> float:
    """Return the mean of `values` without the slowest tenth."""
    ordered = np.sort(values)
    return float(ordered[: max(1, len(ordered) * 9 // 10)].mean())


class Clock:
    """Ticks to nanoseconds in this process, and the overhead that every timed call has."""

    def __init__(self) -> None:
        self.ns_per_tick = ns_per_tick() if HAVE_COUNTER else 0.0

    def sample(self, prepared: Prepared, calls: int) -> float:
        """Return the time of one call (ns): of `calls` calls, the timing's own cost subtracted."""
        nothing = operation(NOTHING)
        if HAVE_COUNTER:
            empty = usual_mean(prepared.block(nothing, calls))
            # What takes less than the counter can tell takes one tick: a time is never 0.
            return max(usual_mean(prepared.block(prepared.op, calls)) - empty, 1.0) * self.ns_per_tick
        start = time.perf_counter_ns()
        prepared.block(prepared.op, calls)
        middle = time.perf_counter_ns()
        prepared.block(nothing, calls)
        end = time.perf_counter_ns()
        return max((middle - start) - (end - middle), 1.0) / calls
