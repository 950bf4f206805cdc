# SPDX-License-Identifier: GPL-2.0-only
"""Cases one after the other, each in a folder of its own that is gone afterwards."""

import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz.cases import Case, make
from tests.fuzz.sandbox import ROOT, Outcome, Sandbox
from tests.fuzz.verdict import faults, snapshot


@dataclass
class Found:
    """A case, what became of it, and the promises that it broke."""

    number: int
    case: Case
    outcome: Outcome
    faults: list[str]


def campaign(numbers: Iterable[int], scratch: Path, kind: str = "") -> Iterator[Found]:
    """Yield what each case found; of some kinds only when they are named (by comma). `scratch`: an empty folder."""
    seeds_folder, streams = scratch / "seeds", scratch / "streams"
    seeds_folder.mkdir()
    streams.mkdir()
    # Nothing is left to compile: what a command takes is what its input makes it take.
    for module in ("bench.replay.compile", "bench.meters.compile"):
        subprocess.run([sys.executable, "-m", module], cwd=ROOT, check=True, capture_output=True)
    with Sandbox() as sandbox:
        for number in numbers:
            folder = scratch / "case"
            folder.mkdir()
            try:
                case = make(number, folder, seeds_folder)
                if not kind or case.kind in kind.split(","):
                    before = snapshot(folder)
                    outcome = sandbox.run(case.argv, folder, streams, case.stdin)
                    yield Found(number, case, outcome, faults(case.argv, outcome, before, snapshot(folder)))
            finally:
                shutil.rmtree(folder)
