# SPDX-License-Identifier: GPL-2.0-only
"""Compile a jitted function as a part of those that call it, and by itself only when Python calls it.

numba compiles every jitted function on the way to one that Python calls down to machine code. It keeps all of that on
disk, although the callers' code contains it a second time. Here such a function ends as LLVM bitcode, which is linked
into its callers and optimised there. That more than halves the time of a first compilation and leaves a tenth of the
files.

`dispatcher` returns one for a function that goes both ways. It rests on names inside numba
(its code library, compiler and dispatcher); where one of them is missing it returns numba's own: `AVAILABLE` says so.
"""

from collections.abc import Callable
from typing import Any

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir
from llvmlite.binding import Linkage
from numba.core import codegen, compiler, cpu, registry

AVAILABLE = (
    all(hasattr(codegen.CPUCodeLibrary, name) for name in ("_finalize_final_module", "_optimize_final_module"))
    and hasattr(codegen, "JITCodeLibrary")
    and hasattr(compiler.Compiler, "compile_extra")
    and hasattr(cpu.CPUContext, "get_executable")
)
"""Whether this numba has what is needed here."""

_COUNTING = "vgic_bench_counting"


def counting_function(module: Any, never: bool = False) -> Any:
    """Return the function (int64 pointer to bool) that says in the code of `module` (llvmlite.ir) whether to count.

    It loads what the pointer points to: not 0 means yes. With `never` it answers no, and takes the place of the other
    where both are linked. It is inlined, so that what it guards costs a test, or nothing.
    """
    if _COUNTING in module.globals:
        return module.globals[_COUNTING]
    function = ir.Function(module, ir.FunctionType(ir.IntType(1), [ir.IntType(64).as_pointer()]), _COUNTING)
    function.linkage = "" if never else "linkonce_odr"
    function.attributes.add("alwaysinline")
    builder = ir.IRBuilder(function.append_basic_block())
    if never:
        builder.ret(ir.Constant(ir.IntType(1), 0))
    else:
        builder.ret(builder.icmp_signed("!=", builder.load(function.args[0]), ir.Constant(ir.IntType(64), 0)))
    return function


if AVAILABLE:

    def _name(state: Any) -> str:
        return str(state.func_id.func_qualname) if state.func_id else "code"

    class _NoEngine:
        """Takes the place of the code generator where numba would hand a library's environment to the machine code."""

        @staticmethod
        def set_env(name: str, env: Any) -> None:
            """Do nothing: there is no machine code."""

    class _PartLibrary(codegen.JITCodeLibrary):
        """A code library that ends as bitcode to be linked into others."""

        @property
        def codegen(self) -> Any:
            """What numba asks to prepare the execution of this library: it has none."""
            return _NoEngine

        def _optimize_functions(self, ll_module: Any) -> None:
            """Leave optimising to the library that this one becomes a part of."""
            ll_module.data_layout = self._codegen._data_layout

        def _optimize_final_module(self) -> None:
            """Leave optimising to the library that this one becomes a part of."""

        def _finalize_final_module(self) -> None:
            self._finalize_dynamic_globals()
            self._finalized = True

        def get_pointer_to_function(self, name: str) -> int:
            """Return what is no address: nobody calls it."""
            return 1

    class _CompleteLibrary(codegen.JITCodeLibrary):
        """A code library of machine code, whose parts are nobody else's."""

        def _optimize_final_module(self) -> None:
            # LLVM may then change how they are called: numba's calls hand over and test an error status, and none of
            # these ever fails. That is half of what a call costs.
            for function in self._final_module.functions:
                ours = function.linkage == Linkage.linkonce_odr or function.name == _COUNTING
                if not function.is_declaration and ours:
                    function.linkage = "internal"
            super()._optimize_final_module()

    class _UncountedLibrary(_CompleteLibrary):
        """A code library of machine code in which nothing is counted."""

        def _optimize_final_module(self) -> None:
            never = ir.Module()
            never.triple = self._final_module.triple
            never.data_layout = str(self._codegen._data_layout)
            counting_function(never, never=True)
            self._final_module.link_in(llvm.parse_assembly(str(never)))
            super()._optimize_final_module()

    class CompleteCompiler(compiler.Compiler):
        """numba's compiler, ending at a `_CompleteLibrary`."""

        library: type[_CompleteLibrary] = _CompleteLibrary

        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            self.state.library = self.library(self.state.targetctx.codegen(), _name(self.state))
            self.state.library.enable_object_caching()

    class UncountedCompiler(CompleteCompiler):
        """numba's compiler, ending at an `_UncountedLibrary`."""

        library = _UncountedLibrary

    class PartCompiler(compiler.Compiler):
        """numba's compiler, ending at a `_PartLibrary`."""

        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            self.state.library = _PartLibrary(self.state.targetctx.codegen(), _name(self.state))

    class _Dispatcher(registry.CPUDispatcher):
        """A dispatcher whose own compilations are parts of callers; a call by Python goes to a complete one.

        Python's records are handed over as arrays of one: to find the type of a record takes numba milliseconds, that
        of an array microseconds.
        """

        def __init__(self, function: Any, options: dict[str, Any], complete: Callable[[Any], Any]) -> None:
            options = {"nopython": True, **options, "no_cpython_wrapper": True}
            super().__init__(function, targetoptions=options, pipeline_class=PartCompiler)
            self._make_complete = complete
            self._complete: dict[tuple[bool, ...], Any] = {}

        def __call__(self, *arguments: Any) -> Any:
            """Call the complete function, compiled when there is such a call: most functions never see one."""
            arrays = tuple(map(_array_of, arguments))
            pattern = tuple(array is not None for array in arrays)
            complete = self._complete.get(pattern)
            if complete is None:
                complete = self._make_complete(_taking_arrays(self, pattern) if True in pattern else self.py_func)
                self._complete[pattern] = complete
            return complete(*[a if b is None else b for a, b in zip(arguments, arrays, strict=True)])

        @property
        def cache_hits(self) -> int:
            """How many of the complete functions came from the cache on disk."""
            return sum(sum(complete.stats.cache_hits.values()) for complete in self._complete.values())

        def add_overload(self, cres: Any) -> None:
            """Keep a compilation for callers in jitted code; Python must not find it."""
            self.overloads[tuple(cres.signature.args)] = cres

    def _array_of(argument: Any) -> Any:
        """Return the array of one record that a record is the element of, None for anything else."""
        if not isinstance(argument, np.void):
            return None
        array = argument.base
        return (
            array if isinstance(array, np.ndarray) and array.shape == (1,) and array.dtype is argument.dtype else None
        )

    def _taking_arrays(dispatcher: _Dispatcher, pattern: tuple[bool, ...]) -> Any:
        """Return a function that calls a dispatcher's with the elements of those arguments that `pattern` names.

        It has the place of the original in its file, for that is where numba's cache looks for changes.
        """
        function = dispatcher.py_func
        names = [f"argument{number}" for number in range(len(pattern))]
        given = [f"{name}[0]" if of_array else name for name, of_array in zip(names, pattern, strict=True)]
        source = f"def call({', '.join(names)}):\n    return function({', '.join(given)})\n"
        space: dict[str, Any] = {"function": dispatcher, "__name__": function.__module__}
        code = function.__code__
        exec(compile("\n" * (code.co_firstlineno - 1) + source, code.co_filename, "exec"), space)
        marks = "".join("01"[of_array] for of_array in pattern)
        space["call"].__name__ = f"{function.__name__}_{marks}"
        space["call"].__qualname__ = f"{function.__qualname__}_{marks}"
        return space["call"]

    def dispatcher(function: Any, options: dict[str, Any], complete: Callable[[Any], Any]) -> Any:
        """Return a dispatcher that compiles a function as parts of its callers.

        options: numba's. complete: makes numba's own dispatcher of a function that Python calls.
        """
        return _Dispatcher(function, options, complete)

    COMPLETE_OPTIONS: dict[str, Any] = {"pipeline_class": CompleteCompiler}
    """Options of numba.njit for what `dispatcher` takes."""
    UNCOUNTED_OPTIONS: dict[str, Any] = {"pipeline_class": UncountedCompiler}
    """The same for code that never counts."""
    PART_OPTIONS: dict[str, Any] = {"pipeline_class": PartCompiler}
    """For `jit_options` of numba's overload: what an overload compiles to is a part of its callers too."""
else:

    def dispatcher(function: Any, options: dict[str, Any], complete: Callable[[Any], Any]) -> Any:
        """Return what `complete` makes: this numba lacks what is needed."""
        return complete(function)

    COMPLETE_OPTIONS = {}
    UNCOUNTED_OPTIONS = {}
    PART_OPTIONS = {}
