# SPDX-License-Identifier: GPL-2.0-only
"""Standard streams as a command needs them, whoever started it: open, able to take any text, and given up for good.

A name that is not UTF-8 comes out as the bytes that it is, a character that the terminal's encoding lacks as `?`. A
stream that was closed reads and writes nothing.
"""

import os
import sys


def prepare_streams() -> None:
    """Open what is closed, in the order of the descriptors, so that no file of ours becomes the standard output."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115 - open as long as we are
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            utf8 = (stream.encoding or "").lower().replace("-", "") == "utf8"
            stream.reconfigure(errors="surrogateescape" if utf8 else "replace")


def flush_output() -> OSError | None:
    """Write out what standard output still holds; return why that failed, and give it up then."""
    try:
        sys.stdout.flush()
    except OSError as error:
        # What it still holds must not be tried again when the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return error
    return None
