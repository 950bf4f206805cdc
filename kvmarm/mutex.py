# SPDX-License-Identifier: GPL-2.0-only
"""Mutexes as the kernel's fast path takes them: a compare-and-exchange to take one, another to release it."""

from typing import Any

import numpy as np

from kvmarm.jit import JIT_ENABLED, jit, noinline, spin_lock, spin_unlock

if JIT_ENABLED:
    from numba import types
    from numba.extending import intrinsic

    from kvmarm.jit import lock_pointer

    @intrinsic
    def _swap_lock(typing_context: Any, record: Any, expected: Any, value: Any) -> Any:
        """Replace `expected` by `value` in the int32 field `lock` of a record, atomically; return whether."""
        if not isinstance(record, types.Record):
            return None

        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            pointer = lock_pointer(builder, signature.args[0], arguments[0])
            pair = builder.cmpxchg(pointer, arguments[1], arguments[2], "acq_rel", "monotonic")
            return builder.extract_value(pair, 1)

        return types.boolean(record, types.int32, types.int32), codegen

    @jit
    def mutex_lock(record: Any) -> None:
        """Take the mutex in the int32 field `lock` of a record by compare-and-exchange, as the kernel's fast path."""
        noinline()
        while not _swap_lock(record, np.int32(0), np.int32(1)):
            pass

    @jit
    def mutex_unlock(record: Any) -> None:
        """Release the mutex in the int32 field `lock` of a record by compare-and-exchange."""
        noinline()
        _swap_lock(record, np.int32(1), np.int32(0))

else:
    mutex_lock, mutex_unlock = spin_lock, spin_unlock
