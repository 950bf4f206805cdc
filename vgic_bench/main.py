# SPDX-License-Identifier: GPL-2.0-only
"""The `vgic-bench` command line: the table of commands, and what happens when one ends.

A command's module is imported when the command is used, so that `vgic-bench --help` answers at once; it imports what
it works with at its top.
"""

import contextlib
import os
import sys
import traceback
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Annotated, ClassVar, NoReturn

import typer
import typer.main

from bench.system.interruption import Interrupted, ignore_signals, interrupt_on_signals
from bench.system.streams import ReaderGone, flush_output, give_up_output, prepare_streams
from kvmarm.errors import UsageError
from kvmarm.text import one_line
from vgic_bench.groups import Entry, LazyGroup, new_app

MEASURE, RECORDINGS, JUDGE, MODELS, SHOW = (
    "Measure the designs",
    "Traces, recordings and workloads",
    "Compare and judge stored results",
    "Designs, world switches and platforms",
    "Explain and show",
)
PLACE = "vgic_bench.commands"
COMMANDS = (
    Entry("run", f"{PLACE}.run", "Measure every transition and recorded workload; write a report.", MEASURE),
    Entry("sweep", f"{PLACE}.sweep", "Count over a grid of configurations: where does a design win?", MEASURE),
    Entry("contend", f"{PLACE}.contend", "Measure a design that several CPUs use at once.", MEASURE),
    Entry("transitions", f"{PLACE}.transitions", "List, show or check the transitions that are measured.", MEASURE),
    Entry("predict", f"{PLACE}.predict", "Predict kernel instructions for the points of a CSV file.", MEASURE),
    Entry("fit", f"{PLACE}.fit", "Fit event weights to instructions counted in the kernel.", MEASURE),
    Entry("check", f"{PLACE}.check", "Check a design: behaviour, locks, compiled against plain.", MODELS),
    Entry("new-design", f"{PLACE}.new_design", "Write the scaffold of a design.", MODELS),
    Entry("trace", f"{PLACE}.trace", "Run, explain and cost trace files.", RECORDINGS),
    Entry("replay", f"{PLACE}.replay", "Replay a recording of a real host on every design.", RECORDINGS),
    Entry("record", f"{PLACE}.record", "Print the script that records on a KVM/Arm host.", RECORDINGS),
    Entry("workloads", f"{PLACE}.workloads", "List the packaged workloads, their mix and cost.", RECORDINGS),
    Entry("compare", f"{PLACE}.compare", "Compare two stored runs row by row.", JUDGE),
    Entry("gate", f"{PLACE}.gate", "Fail a build that made a transition cost more.", JUDGE),
    Entry("verify", f"{PLACE}.verify", "Search a design for what contradicts the GIC architecture.", JUDGE),
    Entry("results", f"{PLACE}.results", "List, show and export stored runs.", JUDGE),
    Entry("history", f"{PLACE}.history", "Follow one figure over the stored runs.", JUDGE),
    Entry("switch", f"{PLACE}.switch", "Take apart, compare and sweep the EL2 world switches.", MODELS),
    Entry("platforms", f"{PLACE}.platforms", "List the price lists in cycles, or check them.", MODELS),
    Entry("life", f"{PLACE}.life", "Cost an interrupt's whole life on every pairing.", MODELS),
    Entry("report", f"{PLACE}.report", "Write one HTML page of a stored run.", SHOW),
    Entry("plot", f"{PLACE}.plot", "Write the report's figures as SVG and PNG files.", SHOW),
    Entry("explain", f"{PLACE}.explain", "Explain step by step what each design does.", SHOW),
)
"""Every command, in the order of `vgic-bench --help`."""

INTERRUPTED = 130
READER_GONE = 141
UNEXPECTED = 70
"""An error that only a fault of this program explains (EX_SOFTWARE of sysexits.h)."""
DEBUG = "VGIC_BENCH_DEBUG"


class Commands(LazyGroup):
    """The commands of the table."""

    table: ClassVar = COMMANDS


EXAMPLES = (
    "vgic-bench run --quick",
    "vgic-bench explain flush_p",
    "vgic-bench replay my-host.ftrace.txt.gz",
    "vgic-bench sweep --help",
)

app = new_app(
    "Two KVM/Arm virtual interrupt controllers and two EL2 world switches, side by side.",
    EXAMPLES,
    cls=Commands,
    completion=True,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        try:
            number = installed_version("vgic-bench")
        except PackageNotFoundError:
            number = "(not installed: run from its sources)"
        print(f"vgic-bench {number}")
        raise typer.Exit


@app.callback()
def vgic_bench(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Take the options of the command line itself; its help is that of `app`."""


def build_app() -> typer.Typer:
    """Return the application; a command is loaded when it is looked up."""
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
        # All is done and kept: nobody is to be told otherwise now.
        ignore_signals()
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
    except Exception as error:  # noqa: BLE001 - the last resort: one line, a separate status
        _bad_usage(error)


def _refuse_interrupted(error: BaseException) -> NoReturn:
    with contextlib.suppress(OSError, ReaderGone):
        print(one_line(": ".join(["vgic-bench: interrupted", *map(str, error.args)])), file=sys.stderr)
    sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
