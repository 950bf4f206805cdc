# SPDX-License-Identifier: GPL-2.0-only
"""The names that a shell completes: asked for by a shell only, so that no command loads them for its help."""

from collections.abc import Iterable

from bench.catalogue.catalogue import load_catalogue
from kvmarm.design import design_names
from kvmarm.platforms import platform_names


def names(kind: str) -> Iterable[str]:
    """Return all names of a kind: `designs`, `platforms`, or `transitions` with their groups."""
    if kind == "designs":
        return design_names()
    if kind == "platforms":
        return platform_names()
    catalogue = load_catalogue()
    return [*dict.fromkeys(entry.typed_group for entry in catalogue.values()), *catalogue]
