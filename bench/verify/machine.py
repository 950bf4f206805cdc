# SPDX-License-Identifier: GPL-2.0-only
"""How a design is called by the search: through one address, so that all else is compiled once for every design.

The *bridge* of a design does `world.op` by the engine's `execute`. Then it copies what it left (status, BUG_ON, kicks)
to where the search looks for it. With the pseudo-operation CANONICAL it only tidies the list registers. This is the
only module of the search that knows a design's record. See bench.verify.memory for where `vm` and `world` lie.
"""

import functools
import os
from typing import Any

import numpy as np

from bench.engine.runner import BUG, execute
from bench.verify.classes import HOST_HANGS, HOST_KILLED
from bench.verify.records import ASLEEP, IN, KICKED, MAX_LOG, NONE, OFF, WORLD, numbers
from kvmarm import nested, trace
from kvmarm.checked_cache import check
from kvmarm.code_cache import module_cache
from kvmarm.jit import JIT_ENABLED, U64, U64_0, U64_1, jit
from kvmarm.lr import lr_has_eoi, lr_is_hw, lr_state

if JIT_ENABLED:
    import numba
    from llvmlite import ir
    from numba import types
    from numba.core import config
    from numba.core.ccallback import CFunc
    from numba.extending import intrinsic


# The kinds of operations as NumPy integers: numba compiles a function anew for every literal that it is called with.
ACK, CTLR, DIR, EOI, FLUSH = numbers(trace.ACK, trace.CTLR, trace.DIR, trace.EOI, trace.FLUSH)
INJECT, INJECTM, ISACTIVE = numbers(trace.INJECT, trace.INJECTM, trace.ISACTIVE)
MMIO_R, MMIO_W, PENDING, PHYS = numbers(trace.MMIO_R, trace.MMIO_W, trace.PENDING, trace.PHYS)
PMR, SGI1R, SYNC = numbers(trace.PMR, trace.SGI1R, trace.SYNC)
(CANONICAL,) = numbers(-1)


@jit
def _clean(gic: Any, registers: Any, lrs: Any) -> None:
    for index in range(lrs):
        lr = registers.lr[index]
        if lr != U64_0 and lr_state(gic, lr) == 0 and not lr_is_hw(gic, lr) and not lr_has_eoi(gic, lr):
            registers.lr[index] = U64_0


@jit
def _canonical(vm: Any, world: Any) -> None:
    """Give states that nothing can tell apart one form: an empty list register is 0 whatever INTID it shows."""
    setup = world.setup
    for vcpu in range(setup.vcpus):
        cpu = world.hardware.cpu[vcpu]
        _clean(setup.gic, vm.image[vcpu], setup.lrs)
        if setup.reloads and world.reference.cpu[vcpu].status & IN == 0:
            for index in range(setup.lrs):
                cpu.lr[index] = U64_0
            cpu.hcr = U64_0
            cpu.apr = U64_0
            cpu.pmr = 0
            cpu.ctlr = 0
            cpu.bpr = 0
        else:
            _clean(setup.gic, cpu, setup.lrs)


@jit
def serve(vm: Any, world: Any) -> None:
    """Do `world.op` on the design that the record `vm` belongs to."""
    op = world.op
    if op.kind == CANONICAL:
        _canonical(vm, world)
        return
    world.status = execute(vm, world.hardware, op, op.value, world.result, world.caller)
    world.bug = vm.bug


if JIT_ENABLED:

    @intrinsic
    def _call_bridge(typing_context: Any, bridge: Any, vm: Any, world: Any) -> Any:
        """Call the address `bridge` with the addresses of a VM and a world (all uint64)."""

        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            pointer = ir.IntType(8).as_pointer()
            function = ir.FunctionType(ir.VoidType(), [pointer, pointer])
            called = builder.inttoptr(arguments[0], function.as_pointer())
            builder.call(called, [builder.inttoptr(argument, pointer) for argument in arguments[1:]])
            return context.get_dummy_value()

        return types.void(types.uint64, types.uint64, types.uint64), codegen

    def _bridge(vm_pointer: Any, world_pointer: Any) -> None:
        serve(numba.carray(vm_pointer, 1)[0], numba.carray(world_pointer, 1)[0])

    @functools.cache
    def bridge_of(dtype: np.dtype[Any]) -> Any:
        """Return the compiled bridge for VM records of `dtype`: keep it as long as its `address` is in use."""
        arguments = tuple(types.CPointer(numba.from_dtype(record)) for record in (dtype, WORLD))
        options = {"nopython": True, "error_model": "numpy"}
        # As any complete function: else its parts would be taken for those of other code that was loaded before.
        bridge = CFunc(_bridge, (arguments, types.void), {}, options, **nested.COMPLETE_OPTIONS)
        folder = module_cache(__name__)
        if os.access(folder, os.W_OK | os.X_OK):
            config.CACHE_DIR = str(folder)
            bridge.enable_caching()
            check(bridge, folder)
        bridge.compile()
        return bridge

    @jit
    def call(world: Any) -> None:
        """Do `world.op` on the design whose bridge the world has."""
        _call_bridge(world.bridge, world.vm_address, world.own_address)

    def connect(memory: Any) -> None:
        """Give the world of a bench.verify.memory.Memory the way to its design."""
        memory.bridge = bridge_of(memory.dtype)
        memory.world.bridge = memory.bridge.address
        start = memory.words.ctypes.data
        memory.world.vm_address = start
        memory.world.own_address = start + memory.starts[1] * 8

else:
    _connected: dict[int, Any] = {}

    def call(world: Any) -> None:
        """Do `world.op` on the design whose VM the world is connected to."""
        serve(_connected[int(world.bridge)], world)

    def connect(memory: Any) -> None:
        """Give the world of a bench.verify.memory.Memory the way to its design."""
        memory.world.bridge = len(_connected)
        _connected[len(_connected)] = memory.vm


@jit
def canonical(world: Any) -> None:
    """Tidy the list registers of the images and the interfaces."""
    world.op.kind = CANONICAL
    call(world)


@jit
def flag(world: Any, cls: Any, x: Any, reason: Any, detail: Any) -> None:
    """Set the verdict of the step under way unless it has one: a step is judged by its first contradiction."""
    verdict = world.verdict
    if verdict.cls == 0:
        verdict.cls = cls
        verdict.x = x
        verdict.reason = reason
        verdict.detail = detail


@jit
def _take_kicks(world: Any) -> Any:
    """Note who was kicked; return the set of them (uint64, vCPUs below 64)."""
    kicked = U64_0
    for index in range(world.caller.kick_count):
        vcpu = np.int64(world.caller.kicks[index])
        if vcpu < 64:
            kicked |= U64_1 << U64(vcpu)
        cpu = world.reference.cpu[vcpu]
        if cpu.status & (IN | ASLEEP):
            cpu.status |= KICKED
    return kicked


@jit
def _locks_held(world: Any, memory: Any) -> Any:
    for index in range(world.lock_words):
        word = world.lock_word[index]
        if memory[word.offset] & word.locks:
            return True
    return False


@jit
def _log(world: Any, kicked: Any) -> None:
    if world.logged < MAX_LOG:
        entry = world.log[world.logged]
        op = entry.op
        done = world.op
        op.kind = done.kind
        op.vcpu = done.vcpu
        op.a = done.a
        op.b = done.b
        op.c = done.c
        op.value = done.value
        entry.value = world.result.value
        entry.kicks = kicked
        entry.step = world.step
        entry.phase = world.phase
        world.logged += 1


@jit
def operate(world: Any, memory: Any) -> None:
    """Do `world.op`, note its kicks and look at the locks; a dead or hanging host is `fatal` and the verdict."""
    call(world)
    kicked = _take_kicks(world)
    world.kicked |= kicked
    if world.logging:
        _log(world, kicked)
    if world.status == BUG:
        world.fatal = 1
        flag(world, HOST_KILLED, NONE, world.bug, OFF)
    elif _locks_held(world, memory):
        world.fatal = 1
        flag(world, HOST_HANGS, NONE, OFF, OFF)


@jit
def do(world: Any, memory: Any, kind: Any, vcpu: Any, a: Any, b: Any) -> None:
    """Do the operation `kind` without a register frame or VALUE."""
    op = world.op
    op.kind = kind
    op.vcpu = vcpu
    op.a = a
    op.b = b
    op.c = 0
    op.value = U64_0
    operate(world, memory)


@jit
def do_value(world: Any, memory: Any, kind: Any, vcpu: Any, value: Any) -> None:
    """Do the operation `kind` whose only argument is VALUE (uint64)."""
    op = world.op
    op.kind = kind
    op.vcpu = vcpu
    op.a = 0
    op.b = 0
    op.c = 0
    op.value = value
    operate(world, memory)
