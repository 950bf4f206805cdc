# SPDX-License-Identifier: GPL-2.0-only
"""What operations of the interface return when they refuse: negative errno values, as the kernel's functions do."""

EBUSY = -16
ENODEV = -19
EINVAL = -22
