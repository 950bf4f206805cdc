# SPDX-License-Identifier: GPL-2.0-only
"""What options choose, checked: the reading that needs the models or the statistics."""

from collections.abc import Sequence

from bench.engine.designs import check_designs
from bench.results.statistics import Policy
from kvmarm.built_in import DEFAULT_DESIGNS
from kvmarm.design import get_design
from kvmarm.errors import UsageError
from kvmarm.trace import Trace
from vgic_bench.options import words


def designs_of(given: Sequence[str] | str | None) -> list[str]:
    """Return the designs that were named, or the default ones.

    Raises UsageError for an unknown or repeated one, and for a list that names none.
    """
    names = list(DEFAULT_DESIGNS) if given is None or given == [] else words(given)
    check_designs(names)
    return names


def policy_of(minimum_effect: float) -> Policy:
    """Return the policy of a comparison. Raises UsageError for an effect that is no fraction."""
    if not 0 < minimum_effect < 1:
        raise UsageError(f"--minimum-effect {minimum_effect}: expected a fraction between 0 and 1, both excluded")
    return Policy(minimum_effect=minimum_effect)


def with_lpis(names: list[str], trace: Trace) -> tuple[list[str], list[str]]:
    """Return the designs that have what the trace needs, and those that lack LPIs. Raises UsageError when all do."""
    lacking = [name for name in names if trace.config.its and not get_design(name).has_its]
    if len(lacking) == len(names):
        raise UsageError(f"{trace.name}: its=1: design {lacking[0]!r} has no LPIs and no ITS, expected one that has")
    return [name for name in names if name not in lacking], lacking
