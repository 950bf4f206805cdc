# SPDX-License-Identifier: GPL-2.0-only
"""The one JIT decorator, its cache, and the atomic operations that numba lacks.

Rules for jitted code in this project:

- `@jit` functions are module-level and do not close over other functions: numba's cache never hits for those.
- numba does not notice that a callee in another file changed. The cache folder of a module is therefore named by a hash
  of its source and of all it imports from this project, in a folder named by a hash of the versions and the CPU. What a
  module does not import but reaches through the interface stubs, a design, is part of the record's type:
  `kvmarm.state.vm_dtype` puts the hash of the design's sources into it. Folders that nothing used for two weeks go.
- `NUMBA_DISABLE_JIT=1` must run the same code. Integers: a field narrower than 64 bits is loaded as
  `np.int64(record.field)` before arithmetic (NumPy keeps the narrow width, numba widens); `uint64 op int` is int64 in
  numba, so literals that meet a uint64 are wrapped (`U64(3)`).
- An observer argument is None or a record (kvmarm.events); `events.count` is nothing for one that does not count.
- A model's time stands for its original's, so compiled code does what the original's does (the models' heads say
  which of it): `noinline()` at the start of a function keeps it a call without vectorised loops, for the kernel is
  built without vector registers; `atomic_or` and `atomic_and` are the kernel's locked bit operations.

Environment: `VGIC_BENCH_CACHE` names another cache folder (default: `$XDG_CACHE_HOME/vgic-bench`, or
`~/.cache/vgic-bench`). `VGIC_BENCH_DEBUG=1` switches JIT off, for this process and its children, and the checks of
`kvmarm.debug` on.
"""

import contextlib
import functools
import hashlib
import os
import platform
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

_PACKAGES = ("kvmarm", "vgic_old", "vgic_new", "switch_asm_model", "switch_c_model", "bench")
_IMPORT = re.compile(r"^\s*(?:from\s+([\w.]+)\s+import\s+(\([^)]*\)|[^\n]*)|import\s+([\w.]+))", re.MULTILINE)
_UNUSED_DAYS = 14
_CACHE_NAME = re.compile(r"(\w+-)?[0-9a-f]{16}")

F = TypeVar("F", bound=Callable[..., Any])


def _cpu_name() -> str:
    try:
        with open("/proc/cpuinfo") as file:
            lines = [line for line in file if line.startswith(("model name", "CPU part", "flags", "Features"))]
        return "".join(sorted(set(lines)))
    except OSError:
        return platform.processor() or platform.machine()


def _environment_hash() -> str:
    """Return 16 hex digits that change with the interpreter, NumPy, numba, llvmlite or the CPU."""
    from importlib.metadata import PackageNotFoundError, version

    digest = hashlib.sha256()
    for package in ("numba", "llvmlite", "numpy"):
        try:
            digest.update(f"{package} {version(package)}\n".encode())
        except PackageNotFoundError:
            digest.update(f"{package} ?\n".encode())
    digest.update(f"{sys.version}\n{_cpu_name()}".encode())
    return digest.hexdigest()[:16]


@functools.cache
def _source_of(module: str) -> tuple[bytes, tuple[str, ...]]:
    """Return a project module's source and the names it imports; (b"", ()) for what is no module of the project."""
    if module.split(".")[0] not in _PACKAGES:
        return b"", ()
    base = Path(__file__).parent.parent.joinpath(*module.split("."))
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            source = path.read_bytes()
            names: list[str] = []
            for parent, members, plain in _IMPORT.findall(source.decode()):
                if parent.split(".")[0] in _PACKAGES:
                    names.append(parent)
                    names += [f"{parent}.{name}" for name in re.findall(r"[A-Za-z_]\w*", members)]
                elif plain.split(".")[0] in _PACKAGES:
                    names.append(plain)
            return source, tuple(names)
    return b"", ()


@functools.cache
def module_hash(module: str) -> str:
    """Return 16 hex digits that change with the source of a module or of any project module it imports, deeply."""
    closure: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        source, imported = _source_of(name)
        if name not in closure and source:
            closure.add(name)
            waiting += imported
    digest = hashlib.sha256()
    for name in sorted(closure):
        digest.update(name.encode() + b"\n" + _source_of(name)[0])
    return digest.hexdigest()[:16]


def folder_hash(folder: Path) -> str:
    """Return 16 hex digits that change with any source in `folder` that uses this module."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.py")):
        source = path.read_bytes()
        if b"kvmarm.jit" in source:
            digest.update(path.name.encode() + b"\n" + source)
    return digest.hexdigest()[:16]


def cache_root() -> Path:
    """Return the folder that holds the compiled code of all versions of the sources."""
    named = os.environ.get("VGIC_BENCH_CACHE")
    if named:
        return Path(named)
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return Path(base) / "vgic-bench"


def _remove_unused(folder: Path) -> None:
    """Remove what nothing used for two weeks, of compiled code only: the user may keep other things beside it."""
    oldest = time.time() - _UNUSED_DAYS * 86400
    for stale in [*folder.parent.iterdir(), *folder.iterdir()]:
        if stale != folder and _CACHE_NAME.fullmatch(stale.name):
            with contextlib.suppress(FileNotFoundError):  # another process may be removing the same
                if stale.stat().st_mtime < oldest:
                    shutil.rmtree(stale, ignore_errors=True)


def _prepare_cache() -> Path:
    folder = cache_root() / _environment_hash()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _remove_unused(folder)
        os.utime(folder)
    except OSError:
        # No writable home: compile anew in a folder of this user, and of nobody else, for code is run from it.
        own = Path(tempfile.gettempdir()) / f"vgic-bench-{os.getuid()}"
        own.mkdir(mode=0o700, exist_ok=True)
        if own.is_symlink() or own.stat().st_uid != os.getuid():
            own = Path(tempfile.mkdtemp(prefix="vgic-bench-"))
        folder = own / folder.name
        folder.mkdir(exist_ok=True)
    return folder


DEBUG = os.environ.get("VGIC_BENCH_DEBUG", "") not in ("", "0")
"""Whether debugging is on: plain Python, with lock assertions, bounds checks and a log of operations."""
if DEBUG:
    os.environ["NUMBA_DISABLE_JIT"] = "1"

cache_folder = _prepare_cache()
os.environ["NUMBA_CACHE_DIR"] = str(cache_folder)


@functools.cache
def module_cache(module: str) -> Path:
    """Return the folder of the compiled code of one module's functions, made when missing."""
    folder = cache_folder / f"{module.rsplit('.', 1)[-1]}-{module_hash(module)}"
    folder.mkdir(exist_ok=True)
    os.utime(folder)
    return folder


import numba  # noqa: E402 - the cache folder must be named before numba reads its configuration
import numpy as np  # noqa: E402
from llvmlite import ir  # noqa: E402
from numba import types  # noqa: E402
from numba.core import cgutils, config  # noqa: E402
from numba.extending import intrinsic  # noqa: E402

from kvmarm import nested  # noqa: E402

if DEBUG:
    config.DISABLE_JIT = 1  # numba may have been imported, and have read the environment, before
JIT_ENABLED = not config.DISABLE_JIT
"""False under NUMBA_DISABLE_JIT=1: the same functions then run as plain Python."""


def _load_numba_without_blas() -> None:
    """Load what numba loads before it runs compiled code, telling it that there is no BLAS.

    It would load scipy.linalg for the matrix products that jitted code may hold, and nobody's here does: a quarter of a
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


def jit(function: F) -> F:
    """Compile `function` in nopython mode: cached on disk, without the GIL, C semantics for division."""
    return _compiled(function)


def jit_inlined(function: F) -> F:
    """Compile `function` as `jit` does, but as a part of each of its callers.

    For what has one busy caller: LLVM calls it through a register and saves six others for it. The five calls of a
    legacy flush were half of its time (28 to 15 ns).
    """
    return _compiled(function, forceinline=True)


def _compiled(function: F, **options: bool) -> F:
    if JIT_ENABLED:
        # numba reads this when the function gets its cache, which is now.
        config.CACHE_DIR = str(module_cache(function.__module__))
    # Without wrappers for callers in C, which nobody is, compiling takes a fifth less.
    always = {"cache": True, "nogil": True, "error_model": "numpy", "no_cfunc_wrapper": True}
    compiled = numba.njit(**always, **options, **nested.COMPLETE_OPTIONS)(function)
    return nested.dispatcher(compiled) if JIT_ENABLED else compiled  # type: ignore[no-any-return]


if JIT_ENABLED:

    def _lock_pointer(builder: Any, record_type: Any, record: Any) -> Any:
        offset = ir.Constant(ir.IntType(64), record_type.offset("lock"))
        base = builder.bitcast(record, ir.IntType(8).as_pointer())
        return builder.bitcast(builder.gep(base, [offset]), ir.IntType(32).as_pointer())

    @intrinsic
    def _exchange_lock(typing_context: Any, record: Any) -> Any:
        """Atomically set the int32 field `lock` of a record to 1 (acquire) and return what it was."""
        if not isinstance(record, types.Record):
            return None

        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            pointer = _lock_pointer(builder, signature.args[0], arguments[0])
            one = ir.Constant(ir.IntType(32), 1)
            return builder.atomic_rmw("xchg", pointer, one, "acquire")

        return types.int32(record), codegen

    @intrinsic
    def _release_lock(typing_context: Any, record: Any) -> Any:
        """Atomically store 0 (release) in the int32 field `lock` of a record."""
        if not isinstance(record, types.Record):
            return None

        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            pointer = _lock_pointer(builder, signature.args[0], arguments[0])
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
    def noinline(typing_context: Any) -> Any:
        """Keep the function that this begins a call of its callers, and vector registers out of it.

        LLVM neither inlines it nor sees through the call, and vectorises no loop of it.
        """

        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
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

    def noinline() -> None:
        """Stand where compiled code keeps a function a call."""

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
