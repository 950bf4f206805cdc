# SPDX-License-Identifier: GPL-2.0-only
"""Run commands in processes that are forked from one that has everything loaded (`zygote`)."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Outcome:
    """What became of a command: exit status (negative: a signal), its streams, peak memory in MB, seconds."""

    status: int
    out: str
    err: str
    peak_mb: float
    seconds: float
    late: bool


class Sandbox:
    """A context: `run` starts a command in a folder. megabytes: memory that it may take beyond what is loaded.

    seconds: of a processor.
    """

    def __init__(self, megabytes: int = 2000, seconds: int = 60) -> None:
        self.megabytes, self.seconds = megabytes, seconds

    def __enter__(self) -> "Sandbox":
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.fuzz.zygote"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"
        return self

    def __exit__(self, *error: type[BaseException] | BaseException | TracebackType | None) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def run(self, argv: list[str], folder: Path, streams: Path, stdin: bytes = b"") -> Outcome:
        """Run a command line in `folder`; its streams are kept in the folder `streams`."""
        assert self._process.stdin is not None and self._process.stdout is not None
        names = {name: streams / name for name in ("stdin", "stdout", "stderr")}
        names["stdin"].write_bytes(stdin)
        request = {name: str(path) for name, path in names.items()}
        request |= {"argv": argv, "folder": str(folder)}  # type: ignore[dict-item]  # JSON
        request |= {"megabytes": self.megabytes, "seconds": self.seconds}  # type: ignore[dict-item]  # JSON
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        out, err = (names[name].read_bytes().decode("utf-8", "surrogateescape") for name in ("stdout", "stderr"))
        return Outcome(answer["status"], out, err, answer["peak_kb"] / 1024, answer["seconds"], answer["late"])
