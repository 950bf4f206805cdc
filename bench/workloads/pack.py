# SPDX-License-Identifier: GPL-2.0-only
"""How a packaged workload is made: `python -m bench.workloads.pack RECORDING NAME [lpi|spi]`.

From the top of the checkout. The recording is converted by the rules in bench.recordings and written as NAME.trace.xz
beside this module. Its MSIs are LPIs or SPIs as the third word says; without it they are left out. The entry in
catalogue.toml (what it is, where and how it was recorded) is written by hand.
"""

import lzma
import sys
from pathlib import Path

from bench.recordings.convert import open_recording
from bench.recordings.recording import Recording
from bench.recordings.write import trace_text
from kvmarm.files import atomic_write


def pack(recording: Recording, name: str, folder: Path) -> Path:
    """Write `recording` as folder/NAME.trace.xz and return the path. The file is the same for the same recording."""
    path = folder / f"{name}.trace.xz"
    with atomic_write(path) as file:
        compressor = lzma.LZMACompressor(preset=9 | lzma.PRESET_EXTREME)
        for part in trace_text(recording):
            file.write(compressor.compress(part))
        file.write(compressor.flush())
    return path


if __name__ == "__main__":
    with open_recording(sys.argv[1]) as opened:
        opened.place_msis_as(sys.argv[3] if len(sys.argv) > 3 else "")
        pack(opened, sys.argv[2], Path(__file__).parent)
