# SPDX-License-Identifier: GPL-2.0-only
"""The process that commands are forked from: everything is loaded once, each command starts at once and clean.

Reads one JSON object per line (argv, folder, seconds, megabytes), answers with one (status, signal, peak_kb, seconds).
"""

import contextlib
import importlib
import io
import json
import os
import pkgutil
import resource
import signal
import sys
import time
from typing import Any

PACKAGES = ("kvmarm", "bench", "vgic_old", "vgic_new", "switch_asm_model", "switch_c_model", "vgic_bench", "reports")
WALL = 5
"""Times as much by the clock as of a processor, which others use too."""
LEFT_OUT = ("benchmarks", "__main__", "conftest")


def load_everything() -> None:
    """Import every module of the project and what they work with."""
    import pandas
    import pyarrow.parquet

    assert pandas and pyarrow
    for name in PACKAGES:
        package = importlib.import_module(name)
        for module in pkgutil.walk_packages(package.__path__, f"{name}."):
            if not any(part in module.name for part in LEFT_OUT):
                with contextlib.suppress(ImportError):
                    importlib.import_module(module.name)


def become(request: dict[str, Any]) -> None:
    """Run one command as this process: its folder, streams, limits; never returns."""
    os.setsid()
    os.chdir(request["folder"])
    with contextlib.suppress(OSError), open("/proc/self/clear_refs", "w") as file:
        file.write("5")  # the peak of memory counts from here
    for descriptor, name, flags in (
        (0, "stdin", os.O_RDONLY),
        (1, "stdout", os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
        (2, "stderr", os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
    ):
        opened = os.open(request[name], flags, 0o600)
        os.dup2(opened, descriptor)
        os.close(opened)
    sys.stdin = io.TextIOWrapper(open(0, "rb", closefd=False), "utf-8")  # noqa: SIM115 - the process's own
    sys.stdout = io.TextIOWrapper(open(1, "wb", closefd=False), "utf-8")  # noqa: SIM115
    sys.stderr = io.TextIOWrapper(open(2, "wb", closefd=False), "utf-8", line_buffering=True)  # noqa: SIM115
    size = request["megabytes"] << 20
    with open("/proc/self/statm", encoding="ascii") as file:
        size += int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size, size))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (request["seconds"], request["seconds"] + 5))
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    sys.argv = ["vgic-bench", *request["argv"]]
    from vgic_bench.main import main

    status = 0
    try:
        main()
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else 0 if error.code is None else 1
    except BaseException:  # noqa: BLE001 - the child of a fork must end here, whatever happened
        import traceback

        traceback.print_exc()
        status = 1
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    os._exit(status)


def serve() -> None:
    """Answer requests until standard input ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    load_everything()
    answers.write("ready\n")
    answers.flush()
    for line in sys.stdin:
        request = json.loads(line)
        start = time.monotonic()
        child = os.fork()
        if child == 0:
            try:
                become(request)
            finally:
                os._exit(99)
        killed = False
        while True:
            done, status, usage = os.wait4(child, os.WNOHANG)
            if done:
                break
            if time.monotonic() - start > WALL * request["seconds"] and not killed:
                killed = True
                os.killpg(child, signal.SIGKILL)
            time.sleep(0.002)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child, signal.SIGKILL)
        ended = os.waitstatus_to_exitcode(status)
        answer = {
            "status": ended,
            "late": killed or ended in (-signal.SIGXCPU, -signal.SIGKILL),
            "peak_kb": usage.ru_maxrss,
            "seconds": time.monotonic() - start,
        }
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    serve()
