# SPDX-License-Identifier: GPL-2.0-only
"""The processor's own clock, read by one instruction from jitted code: ticks that all cores share.

x86-64: the time stamp counter, unfenced, so that reading it costs a few nanoseconds and orders nothing. AArch64: the
virtual count register. Elsewhere, and in plain Python, there is none: `HAVE_COUNTER` says so and the clock reads 0.
"""

import platform
import time
from typing import Any

from kvmarm.jit import JIT_ENABLED, jit

_TEXTS = {
    "x86_64": ("rdtsc; shlq $$32, %rdx; orq %rdx, %rax", "={rax},~{rdx},~{memory},~{dirflag},~{fpsr},~{flags}"),
    "amd64": ("rdtsc; shlq $$32, %rdx; orq %rdx, %rax", "={rax},~{rdx},~{memory},~{dirflag},~{fpsr},~{flags}"),
    "aarch64": ("mrs $0, cntvct_el0", "=r,~{memory}"),
    "arm64": ("mrs $0, cntvct_el0", "=r,~{memory}"),
}
_MACHINE = platform.machine().lower()
HAVE_COUNTER = JIT_ENABLED and _MACHINE in _TEXTS
_CALIBRATION_NS = 20_000_000
_BRACKETS = 20

if HAVE_COUNTER:
    from llvmlite import binding, ir
    from numba import types
    from numba.extending import intrinsic

    # numba itself emits no assembly text, so it leaves LLVM's parser for it alone.
    binding.initialize_native_asmparser()

    @intrinsic
    def _read(typing_context: Any) -> Any:
        """Return the counter (int64)."""

        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            text, constraints = _TEXTS[_MACHINE]
            return builder.asm(ir.FunctionType(ir.IntType(64), []), text, constraints, [], True)

        return types.int64(), codegen

    counter: Any = _read
else:

    @jit
    def _no_counter() -> Any:
        """Return 0: there is no counter."""
        return 0

    counter = _no_counter


@jit
def read_counter() -> Any:
    """Return the counter (int64 ticks) to Python."""
    return counter()


def ns_per_tick() -> float:
    """Return the length of a tick in ns, measured against the system's clock; 0.0 without a counter."""
    if not HAVE_COUNTER:
        return 0.0
    start_ticks, start_ns = _moment()
    while True:
        end_ticks, end_ns = _moment()
        if end_ns - start_ns >= _CALIBRATION_NS:
            return (end_ns - start_ns) / max(end_ticks - start_ticks, 1)


def _moment() -> tuple[int, int]:
    """Return (ticks, ns) of one moment: the tightest of several brackets, as a process may be put aside between."""
    best: tuple[int, int, int] | None = None
    for _ in range(_BRACKETS):
        before = time.perf_counter_ns()
        count = int(read_counter())
        after = time.perf_counter_ns()
        if best is None or after - before < best[0]:
            best = (after - before, count, (before + after) // 2)
    assert best is not None
    return best[1], best[2]
