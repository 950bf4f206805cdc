# SPDX-License-Identifier: GPL-2.0-only
"""Errors that a user can cause: one line says what is wrong, where, and what was expected.

The command line prints the message after `vgic-bench: error: ` and exits with `exit_status`; no traceback.
"""

from kvmarm.text import one_line


class CacheWarning(UserWarning):
    """Compiled code cannot be kept, or not where it should be: slower, not wrong."""


class UsageError(Exception):
    """Bad input or bad arguments. The message is one line naming file, line, field and what was expected."""

    exit_status = 2

    def __init__(self, message: str, exit_status: int | None = None) -> None:
        super().__init__(one_line(message))
        if exit_status is not None:
            self.exit_status = exit_status
