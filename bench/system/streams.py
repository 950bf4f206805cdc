# SPDX-License-Identifier: GPL-2.0-only
"""Make the standard streams safe: opened if closed, tolerant of any text, closed for good on a broken pipe.

A name that is not UTF-8 comes out as the bytes that it is, a character that the terminal's encoding lacks as `?`. What
could control a terminal is written as `safe` has it, wherever it comes from: our own colours go through `styled`. A
reader that went away is ReaderGone, which nothing on the way takes for its error.
"""

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from typing import Any

from kvmarm.text import safe


class ReaderGone(BaseException):
    """Whoever read our output closed it (`| head`): nothing can be said to it any more."""


@contextlib.contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise ReaderGone from None


class SafeText(io.TextIOWrapper):
    """A text stream that never carries a control character of somebody else's to a terminal."""

    def write(self, text: str) -> int:
        """Write text with its control characters spelled out; return how much of `text` that was."""
        with _explained():
            super().write(safe(text))
        return len(text)

    def write_styled(self, text: str) -> int:
        """Write text of our own with its colours and cursor movements."""
        with _explained():
            return super().write(text)

    def flush(self) -> None:
        """Write out what is held."""
        with _explained():
            super().flush()


class _Styled:
    """The stream as rich needs it: what it writes are our own colours, around text that was made safe before."""

    def __init__(self, stream: SafeText) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        return self._stream.write_styled(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def styled(stream: Any) -> Any:
    """Return the stream for a rich console: with colours at a terminal; elsewhere there are none to let through."""
    return _Styled(stream) if isinstance(stream, SafeText) and stream.isatty() else stream


def prepare_streams() -> None:
    """Open what is closed, in the order of the descriptors, so that no file of ours becomes the standard output."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115 - open as long as we are
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if type(stream) is io.TextIOWrapper:
            utf8 = (stream.encoding or "").lower().replace("-", "") == "utf8"
            encoding, lines = stream.encoding, stream.line_buffering or name == "stderr"
            errors = "surrogateescape" if utf8 else "replace"
            setattr(sys, name, SafeText(stream.detach(), encoding, errors, line_buffering=lines))


def flush_output() -> OSError | None:
    """Write out what standard output still holds; return why that failed, and give it up then."""
    try:
        sys.stdout.flush()
    except (OSError, ReaderGone) as error:
        give_up_output()
        return error if isinstance(error, OSError) else BrokenPipeError()
    return None


def give_up_output() -> None:
    """Let what standard output still holds go nowhere: it must not be tried again when the interpreter ends."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
