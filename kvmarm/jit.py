# SPDX-License-Identifier: GPL-2.0-only
"""The one JIT decorator, and the atomic operations that numba lacks. `kvmarm.code_cache` keeps what it compiles.

Rules for jitted code in this project:

- `@jit` functions are module-level and do not close over other functions: numba's cache never hits for those.
- `NUMBA_DISABLE_JIT=1` must run the same code. Integers: a field narrower than 64 bits is loaded as
  `np.int64(record.field)` before arithmetic (NumPy keeps the narrow width, numba widens); `uint64 op int` is int64 in
  numba, so literals that meet a uint64 are wrapped (`U64(3)`).
- An observer argument is None or a record (kvmarm.events); `events.count` is nothing for one that does not count.
- A model's time represents its original's, so compiled code does what the original's does (the models' heads say
  which of it): `noinline()` at the start of a function keeps it a call without vectorised loops, for the kernel is
  built without vector registers; `atomic_or` and `atomic_and` are the kernel's locked bit operations.

Environment: `VGIC_BENCH_DEBUG=1` switches JIT off, for this process and its children, and the checks of `kvmarm.debug`
on.
"""

import ctypes
import functools
import os
import sys
from collections.abc import Callable
from typing import Any, TypeVar

from kvmarm.code_cache import cache_folder, module_cache

F = TypeVar("F", bound=Callable[..., Any])

DEBUG = os.environ.get("VGIC_BENCH_DEBUG", "") not in ("", "0")
"""Whether debugging is on: plain Python, with lock assertions, bounds checks and a log of operations."""
if DEBUG:
    os.environ["NUMBA_DISABLE_JIT"] = "1"

if cache_folder is not None:
    os.environ["NUMBA_CACHE_DIR"] = str(cache_folder)

import numba  # noqa: E402 - the cache folder must be named before numba reads its configuration
import numpy as np  # noqa: E402
from llvmlite import ir  # noqa: E402
from numba import types  # noqa: E402
from numba.core import cgutils, config  # noqa: E402
from numba.extending import intrinsic  # noqa: E402

from kvmarm import nested  # noqa: E402
from kvmarm.checked_cache import check  # noqa: E402

if DEBUG:
    config.DISABLE_JIT = 1  # numba may have been imported, and have read the environment, before
JIT_ENABLED = not config.DISABLE_JIT
"""False under NUMBA_DISABLE_JIT=1: the same functions then run as plain Python."""


def _load_numba_without_blas() -> None:
    """Load what numba loads before it runs compiled code, telling it that there is no BLAS.

    It would load scipy.linalg for the matrix products that jitted code may hold, and none here does: a quarter of a
    second, in every process.
    """
    if "scipy.linalg" in sys.modules:
        return
    sys.modules["scipy.linalg"] = None  # type: ignore[assignment]  # what makes an import fail
    try:
        import numba.np.arraymath  # noqa: F401 - loaded for what it does once
    finally:
        del sys.modules["scipy.linalg"]


if JIT_ENABLED:
    _load_numba_without_blas()

U64 = np.uint64
U64_0 = np.uint64(0)
U64_1 = np.uint64(1)

STUB_OPTIONS: dict[str, Any] = {
    "error_model": "numpy",
    "no_cfunc_wrapper": True,
    "no_cpython_wrapper": True,
    **nested.PART_OPTIONS,
}
"""Options (`jit_options`) of the overloads that choose an implementation by a record's type."""


def jit(function: F) -> F:
    """Compile `function` in nopython mode: cached on disk, without the GIL, C semantics for division."""
    # Said outright: numba would take it over from a caller that is being compiled, so depend on what comes first.
    return _compiled(function, forceinline=False)


def jit_inlined(function: F) -> F:
    """Compile `function` as `jit` does, but as a part of each of its callers.

    For what has one busy caller: LLVM calls it through a register and saves six others for it. The five calls of a
    legacy flush were half of its time (28 to 15 ns).
    """
    return _compiled(function, forceinline=True)


def jit_uncounted(function: F) -> F:
    """Compile `function` as `jit` does; where Python calls it, no observer counts, so that counting takes no time.

    For what is timed. `counts_now` is false everywhere in its code, whatever the record says.
    """
    return _compiled(function, forceinline=False, counting=False)


def _compiled(function: F, counting: bool = True, **options: bool) -> F:
    if not JIT_ENABLED:
        return function
    # Without wrappers for callers in C, which nobody is, compiling takes a fifth less.
    always = {"nogil": True, "error_model": "numpy", "no_cfunc_wrapper": True}
    complete_options = nested.COMPLETE_OPTIONS if counting else nested.UNCOUNTED_OPTIONS
    complete = functools.partial(_complete, options=always | options | complete_options)
    return nested.dispatcher(function, always | options, complete)  # type: ignore[no-any-return]


def _complete(function: Callable[..., Any], options: dict[str, Any]) -> Any:
    """Return numba's dispatcher of a function for calls by Python, with its files in the cache."""
    folder = module_cache(function.__module__)
    keep = os.access(folder, os.W_OK | os.X_OK)
    if keep:
        # numba reads this when the function gets its cache, which is now.
        config.CACHE_DIR = str(folder)
    return check(numba.njit(cache=keep, **options)(function), folder)


if JIT_ENABLED:

    def lock_pointer(builder: Any, record_type: Any, record: Any) -> Any:
        """Return a pointer to the int32 field `lock` of a record; for the generators of intrinsics."""
        return _field_pointer(builder, record_type, record, "lock")

    def _field_pointer(builder: Any, record_type: Any, record: Any, name: str) -> Any:
        """Return a pointer to an int32 field of a record."""
        offset = ir.Constant(ir.IntType(64), record_type.offset(name))
        base = builder.bitcast(record, ir.IntType(8).as_pointer())
        return builder.bitcast(builder.gep(base, [offset]), ir.IntType(32).as_pointer())

    @intrinsic
    def counts_now(typing_context: Any, observer: Any) -> Any:
        """Return whether the int64 field `counting` of a record is not 0: what `nested.counting_function` returns."""
        if not isinstance(observer, types.Record):
            return None

        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            offset = ir.Constant(ir.IntType(64), signature.args[0].offset("counting"))
            base = builder.bitcast(arguments[0], ir.IntType(8).as_pointer())
            flag = builder.bitcast(builder.gep(base, [offset]), ir.IntType(64).as_pointer())
            return builder.call(nested.counting_function(builder.module), [flag])

        return types.boolean(observer), codegen

    @intrinsic
    def _exchange_lock(typing_context: Any, record: Any) -> Any:
        """Atomically set the int32 field `lock` of a record to 1 (acquire) and return what it was."""
        if not isinstance(record, types.Record):
            return None

        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            pointer = lock_pointer(builder, signature.args[0], arguments[0])
            one = ir.Constant(ir.IntType(32), 1)
            return builder.atomic_rmw("xchg", pointer, one, "acquire")

        return types.int32(record), codegen

    @intrinsic
    def _release_lock(typing_context: Any, record: Any) -> Any:
        """Atomically store 0 (release) in the int32 field `lock` of a record."""
        if not isinstance(record, types.Record):
            return None

        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            pointer = lock_pointer(builder, signature.args[0], arguments[0])
            builder.store_atomic(ir.Constant(ir.IntType(32), 0), pointer, ordering="release", align=4)
            return context.get_dummy_value()

        return types.void(record), codegen

    @intrinsic
    def _count_trailing_zeros(typing_context: Any, word: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return builder.cttz(arguments[0], cgutils.false_bit)

        return types.uint64(types.uint64), codegen

    @intrinsic
    def _count_leading_zeros(typing_context: Any, word: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return builder.ctlz(arguments[0], cgutils.false_bit)

        return types.uint64(types.uint64), codegen

    @intrinsic
    def _population_count(typing_context: Any, word: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return builder.ctpop(arguments[0])

        return types.uint64(types.uint64), codegen

    @intrinsic
    def _fetch_add_refcount(typing_context: Any, record: Any, number: Any) -> Any:
        """Atomically add to the int32 field `refcount` of a record and return what it was."""
        if not isinstance(record, types.Record):
            return None

        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            pointer = _field_pointer(builder, signature.args[0], arguments[0], "refcount")
            return builder.atomic_rmw("add", pointer, arguments[1], "monotonic")

        return types.int32(record, types.int32), codegen

    @intrinsic
    def load_memory(typing_context: Any, address: Any) -> Any:
        """Return the uint64 at an address (uint64, a multiple of 8) of this process."""

        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return builder.load(builder.inttoptr(arguments[0], ir.IntType(64).as_pointer()))

        return types.uint64(types.uint64), codegen

    @intrinsic
    def store_memory(typing_context: Any, address: Any, value: Any) -> Any:
        """Store a uint64 at an address (uint64, a multiple of 8) of this process."""

        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            builder.store(arguments[1], builder.inttoptr(arguments[0], ir.IntType(64).as_pointer()))
            return context.get_dummy_value()

        return types.void(types.uint64, types.uint64), codegen

    @jit
    def add_reference(record: Any, number: Any) -> Any:
        """Add `number` to the int32 field `refcount` of a record atomically; return the new value (int64)."""
        return np.int64(_fetch_add_refcount(record, np.int32(number))) + number

    @intrinsic
    def noinline(typing_context: Any) -> Any:
        """Keep the function that this begins a call of its callers, and vector registers out of it.

        LLVM neither inlines it nor sees through the call, and vectorises no loop of it.
        """

        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            # A callee of a function that is inlined got that attribute from it.
            builder.function.attributes.discard("alwaysinline")
            builder.function.attributes.add("noinline")
            builder.function.attributes.add("noimplicitfloat")
            # A call whose result nobody uses would be left out, were it known to have no effect.
            builder.asm(ir.FunctionType(ir.VoidType(), []), "", "~{memory}", [], True)
            return context.get_dummy_value()

        return types.void(), codegen

    def _atomic_word(operation: str) -> Any:
        """Return the generator of a locked read-modify-write of one word of an array."""

        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            array_type, index_type, value_type = signature.args
            array = context.make_array(array_type)(context, builder, arguments[0])
            if isinstance(index_type, types.BaseTuple):
                indices = cgutils.unpack_tuple(builder, arguments[1])
            else:
                indices = [arguments[1]]
            indices = [builder.zext(i, ir.IntType(64)) if i.type.width < 64 else i for i in indices]
            pointer = cgutils.get_item_pointer(context, builder, array_type, array, indices)
            value = context.cast(builder, arguments[2], value_type, array_type.dtype)
            builder.atomic_rmw(operation, pointer, value, "monotonic")
            return context.get_dummy_value()

        return codegen

    @intrinsic
    def atomic_or(typing_context: Any, words: Any, index: Any, bits: Any) -> Any:
        """Set `bits` in `words[index]` (uint64[...] of a record) by one locked operation, as the kernel's set_bit."""
        return types.void(words, index, bits), _atomic_word("or")

    @intrinsic
    def atomic_and(typing_context: Any, words: Any, index: Any, bits: Any) -> Any:
        """Keep only `bits` in `words[index]` by one locked operation, as the kernel's clear_bit does with its mask."""
        return types.void(words, index, bits), _atomic_word("and")

    @jit
    def spin_lock(record: Any) -> None:
        """Take the spin lock in the int32 field `lock` of a record by atomic exchange, as a ticketless kernel lock."""
        noinline()
        # Not a plain load in an inner loop: that load is not volatile, LLVM would hoist it.
        while _exchange_lock(record) != 0:
            pass

    @jit
    def spin_unlock(record: Any) -> None:
        """Release the spin lock in the int32 field `lock` of a record."""
        noinline()
        _release_lock(record)

    @jit
    def find_first_bit(word: Any) -> Any:
        """Return the index (int64) of the lowest set bit of a uint64, 64 for 0."""
        return np.int64(_count_trailing_zeros(word))

    @jit
    def bit_length(word: Any) -> Any:
        """Return the number (int64) of bits of a uint64 without its leading zeros, 0 for 0."""
        return 64 - np.int64(_count_leading_zeros(word))

    @jit
    def population_count(word: Any) -> Any:
        """Return the number (int64) of set bits of a uint64."""
        return np.int64(_population_count(word))

else:

    def counts_now(observer: Any) -> bool:
        """Return whether the field `counting` of a record is not 0."""
        return bool(observer.counting != 0)

    def load_memory(address: Any) -> Any:
        """Return the uint64 at an address of this process."""
        return np.uint64(ctypes.c_uint64.from_address(int(address)).value)

    def store_memory(address: Any, value: Any) -> None:
        """Store a uint64 at an address of this process."""
        ctypes.c_uint64.from_address(int(address)).value = int(value)

    def add_reference(record: Any, number: Any) -> Any:
        """Add `number` to the field `refcount` of a record; return the new value."""
        record.refcount += number
        return np.int64(record.refcount)

    def noinline() -> None:
        """Do nothing; compiled code does not inline the function."""

    def atomic_or(words: Any, index: Any, bits: Any) -> None:
        """Set `bits` in `words[index]`."""
        words[index] |= bits

    def atomic_and(words: Any, index: Any, bits: Any) -> None:
        """Keep only `bits` in `words[index]`."""
        words[index] &= bits

    def spin_lock(record: Any) -> None:
        """Take the lock of a record (single-threaded: JIT is off). A lock taken twice would never be released."""
        assert record.lock == 0, "deadlock: the lock is held already"
        record.lock = 1

    def spin_unlock(record: Any) -> None:
        """Release the lock of a record."""
        assert record.lock == 1, "the lock is not held"
        record.lock = 0

    def find_first_bit(word: Any) -> Any:
        """Return the index of the lowest set bit of a uint64, 64 for 0."""
        value = int(word)
        return (value & -value).bit_length() - 1 if value else 64

    def bit_length(word: Any) -> Any:
        """Return the number of bits of a uint64 without its leading zeros, 0 for 0."""
        return int(word).bit_length()

    def population_count(word: Any) -> Any:
        """Return the number of set bits of a uint64."""
        return int(word).bit_count()


@jit
def bit_of(index: Any) -> Any:
    """Return a uint64 with bit `index` (0..63) set."""
    return U64_1 << U64(index)
