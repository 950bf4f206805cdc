# SPDX-License-Identifier: GPL-2.0-only
"""Exit statuses with a meaning of their own; docs/reference/gate.md lists them."""

PASS, FAIL, USAGE, UNDECIDED, NO_BASELINE, MEASUREMENT_FAILED = 0, 1, 2, 3, 4, 5
