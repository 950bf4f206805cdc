# SPDX-License-Identifier: GPL-2.0-only
"""The `vgic-bench` command line: one module of `vgic_bench.commands` a command, each loaded lightly.

The modules import typer and the standard library only; what a command works with (numba, pandas, matplotlib) is
imported inside its function, so that `--help` answers at once.
"""

import contextlib
import importlib
import os
import sys
import traceback
from pathlib import Path
from typing import NoReturn

import typer
import typer.main

from bench.system.interruption import Interrupted, ignore_signals, interrupt_on_signals
from bench.system.streams import ReaderGone, flush_output, give_up_output, prepare_streams
from kvmarm.errors import UsageError
from kvmarm.text import one_line

# In the order of `vgic-bench --help`.
COMMANDS: tuple[str, ...] = (
    "run",
    "sweep",
    "transitions",
    "predict",
    "fit",
    "trace",
    "replay",
    "record",
    "workloads",
    "compare",
    "gate",
    "results",
    "history",
    "switch",
    "platforms",
    "life",
    "report",
    "plot",
    "explain",
)

INTERRUPTED = 130
READER_GONE = 141
UNEXPECTED = 70
"""An error that only a fault of this program explains (EX_SOFTWARE of sysexits.h)."""
DEBUG = "VGIC_BENCH_DEBUG"

app = typer.Typer(
    name="vgic-bench",
    help="Two KVM/Arm virtual interrupt controllers and two EL2 world switches, side by side.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def build_app() -> typer.Typer:
    """Return the application with every command registered."""
    for name in COMMANDS:
        importlib.import_module(f"vgic_bench.commands.{name}").register(app)
    return app


def _refuse(message: str, status: int) -> NoReturn:
    with contextlib.suppress(OSError, ReaderGone):  # the status is still to be had when standard error is full
        print(f"vgic-bench: error: {one_line(message)}", file=sys.stderr)
    sys.exit(status)


def _unwritable(error: OSError, failed: OSError | None = None) -> NoReturn:
    """Report a file that failed where nobody expected it to, or standard output (`failed`), and exit."""
    failed = failed or flush_output()
    if isinstance(failed or error, BrokenPipeError):
        # The reader of our output went away (`| head`): not an error of ours, and nothing more can be said to it.
        sys.exit(READER_GONE)
    if failed is not None:
        _refuse(f"standard output: cannot be written: {failed.strerror or failed}", 2)
    where = os.fsdecode(error.filename) if isinstance(error.filename, (str, bytes)) else "output or a temporary file"
    _refuse(f"{where}: {error.strerror or error}", 2)


def _unexpected(error: Exception) -> NoReturn:
    """Report an error that only a fault of this program can be, and exit; the traceback is for who asks for it."""
    if debugging():
        traceback.print_exception(error)
        sys.exit(UNEXPECTED)
    place = traceback.extract_tb(error.__traceback__)[-1]
    what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    where = f"{Path(place.filename).name}:{place.lineno}"
    _refuse(f"unexpected: {what} ({where}); {DEBUG}=1 shows the traceback", UNEXPECTED)


def debugging() -> bool:
    """Return whether the user wants to see tracebacks."""
    return os.environ.get(DEBUG, "") not in ("", "0")


def _bad_usage(error: Exception) -> NoReturn:
    """Report what the parser of the command line refused, and exit; any other error is unexpected."""
    # The class of the parser's own errors has moved between versions of typer; they are known by this method.
    describe = getattr(error, "format_message", None)
    if describe is None:
        _unexpected(error)
    if type(error).__name__ == "NoArgsIsHelpError":
        error.show()  # type: ignore[attr-defined]  # the parser's error, known by its name
        sys.exit(2)
    context = getattr(error, "ctx", None)
    where = f" (see `{context.command_path} --help`)" if context else ""
    _refuse(" ".join(describe().split()).rstrip(".") + where, 2)


def main() -> None:
    """Run the command line; the exit status is the command's, 2 for bad input, 130 when interrupted.

    70 is a fault of this program, never mistaken for a verdict; 141 a reader of the output that went away.
    """
    interrupt_on_signals()
    prepare_streams()
    try:
        command = typer.main.get_command(build_app())
        status = command.main(prog_name="vgic-bench", standalone_mode=False)
        if status == INTERRUPTED:
            raise KeyboardInterrupt
        if failed := flush_output():
            _unwritable(failed, failed)
        sys.exit(status if isinstance(status, int) else 0)
    except UsageError as error:
        _refuse(str(error), error.exit_status)
    except (KeyboardInterrupt, Interrupted) as error:
        ignore_signals()
        _refuse_interrupted(error)
    except ReaderGone:
        give_up_output()
        sys.exit(READER_GONE)
    except OSError as error:
        _unwritable(error)
    except MemoryError:
        _refuse("out of memory", 5)
    except Exception as error:
        _bad_usage(error)


def _refuse_interrupted(error: BaseException) -> NoReturn:
    with contextlib.suppress(OSError, ReaderGone):
        print(one_line(": ".join(["vgic-bench: interrupted", *map(str, error.args)])), file=sys.stderr)
    sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
