# SPDX-License-Identifier: GPL-2.0-only
"""Names of world switches in results."""

VHE_SUFFIX = "-vhe"


def name_of(title: str) -> str:
    """Return the name of a switch in results: `c-vhe` for the variant titled `c+VHE`."""
    return title.replace("+VHE", VHE_SUFFIX)
