# SPDX-License-Identifier: GPL-2.0-only
"""Interruptions: every signal that asks a command to end is a KeyboardInterrupt, and writing is not cut short by one.

Ctrl-C, `kill`, `timeout` and a terminal that is closed all ask for the same: to end now, leaving nothing half-written.
"""

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType


class Interrupted(Exception):
    """The user ended a command that kept something: the message says what and where. Exit status 130."""


_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


def interrupt_on_signals() -> None:
    """Make the signals that ask a process to end raise KeyboardInterrupt, as Ctrl-C does; ignored ones stay so."""
    for number in _SIGNALS:
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, signal.default_int_handler)


def ignore_signals() -> None:
    """Do not hear those signals any more: the process is ending, and what it still says is to be read."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)


@contextlib.contextmanager
def deferred(again: bool = False) -> Iterator[None]:
    """Let the block end before an interruption is heard: then raise KeyboardInterrupt. For short blocks.

    again: the user has interrupted before, and one more changes nothing.
    """
    heard = []

    def hear(number: int, frame: FrameType | None) -> None:
        heard.append(number)

    try:
        # One that is ignored stays so: whoever started us in the background meant it.
        heeded = [number for number in _SIGNALS if signal.getsignal(number) not in (None, signal.SIG_IGN)]
        before = {number: signal.signal(number, hear) for number in heeded}
    except ValueError:  # not the main thread, which alone hears signals
        yield
        return
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if heard and not again:
        raise KeyboardInterrupt
