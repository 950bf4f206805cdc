# SPDX-License-Identifier: GPL-2.0-only
"""The options that commands share: one spelling and one reading for each idea.

Lists are separated by commas, and an option that takes one may also be repeated. Lists of numbers are `1,2,4`, `1..8`,
or `64..1024x2` for every doubling.
"""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from kvmarm.errors import UsageError

MOST_VALUES = 1024
"""Of a range: no axis has more values that a VM can have."""
_RANGE = re.compile(r"(\d+)\.\.(\d+)(?:[x*](\d+))?")


def complete_designs(incomplete: str) -> list[str]:
    """Return what may be in a list of designs that begins like this."""
    return _completions("designs", incomplete)


def complete_platforms(incomplete: str) -> list[str]:
    """Return what may be in a list of platforms that begins like this."""
    return _completions("platforms", incomplete)


def complete_transitions(incomplete: str) -> list[str]:
    """Return what may be in a list of transitions and their groups that begins like this."""
    return _completions("transitions", incomplete)


def _completions(kind: str, incomplete: str) -> list[str]:
    """Complete the last name of a list with commas."""
    from vgic_bench.completion import names

    before, comma, last = incomplete.rpartition(",")
    return [f"{before}{comma}{name}" for name in names(kind) if name.startswith(last)]


VM, OUTPUT = "The VM", "Output"
LIST = "Numbers: 1,2,4, LOW..HIGH or LOW..HIGHxFACTOR."

Designs = Annotated[
    list[str] | None,
    typer.Option(
        "--designs",
        metavar="A,B",
        help="VGIC designs; the first is the reference for all ratios. [default: old,new]",
        autocompletion=complete_designs,
        show_default=False,
    ),
]
Platforms = Annotated[
    list[str] | None,
    typer.Option(
        "--platforms",
        metavar="A,B",
        help="Platforms whose prices turn events into cycles, by name or file. [default: all]",
        autocompletion=complete_platforms,
        show_default=False,
    ),
]
Transitions = Annotated[
    list[str] | None,
    typer.Option(
        "--transitions",
        "-t",
        metavar="A,B",
        help="Transitions by name, group (mmio_read) or pattern (*, ?).",
        autocompletion=complete_transitions,
        show_default=False,
    ),
]
Catalogue = Annotated[
    list[Path] | None,
    typer.Option(
        "--catalogue", metavar="FILE", help="TOML file with more transitions; may be repeated.", show_default=False
    ),
]
Gic = Annotated[str, typer.Option("--gic", metavar="2|3", help="GIC version.", rich_help_panel=VM)]
Gics = Annotated[str, typer.Option("--gic", metavar="2,3", help="GIC versions.", rich_help_panel=VM)]
Irqs = Annotated[
    int, typer.Option("--irqs", help="INTIDs of the VM: a multiple of 32, 64 to 1024.", rich_help_panel=VM)
]
Vcpus = Annotated[
    int, typer.Option("--vcpus", help="vCPUs: up to 8 with GICv2, up to 512 with GICv3.", rich_help_panel=VM)
]
Lrs = Annotated[
    int,
    typer.Option(
        "--lrs", help="List registers per vCPU: up to 64 with GICv2, up to 16 with GICv3.", rich_help_panel=VM
    ),
]
Pending = Annotated[
    int,
    typer.Option("--pending", help="Standing interrupts: SPIs that stay pending on vCPU 0.", rich_help_panel=VM),
]
SameHost = Annotated[
    bool,
    typer.Option("--same-host", help="Compare times of hosts of different names: they are alike, as CI runners are."),
]
Numbers = Annotated[str, typer.Option(metavar="LIST")]
Meters = Annotated[
    list[str] | None,
    typer.Option("--meters", metavar="A,B", help="Meters: events, time. [default: both]", show_default=False),
]
ResultsOutput = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FOLDER",
        help="Results folder to write. [default: a new one in results/]",
        rich_help_panel=OUTPUT,
        show_default=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.", rich_help_panel=OUTPUT)]


def words(given: Sequence[str] | str | None) -> list[str]:
    """Return the parts of lists with commas, in their order; none for None."""
    texts = [given] if isinstance(given, str) else given or ()
    return [part.strip() for text in texts for part in text.split(",") if part.strip()]


def one_of(given: Sequence[str] | str, option: str) -> str:
    """Return the only name of an option that takes one. Raises UsageError for several or none."""
    names = words(given)
    if len(names) != 1:
        raise UsageError(f"{option} {','.join(names)}: expected one name")
    return names[0]


def gic_of(text: str | int) -> int:
    """Return the GIC version that `2`, `3`, `v2` or `v3` is. Raises UsageError."""
    version = str(text).removeprefix("v")
    if version not in ("2", "3"):
        raise UsageError(f"--gic {text}: expected 2 or 3")
    return int(version)


def gics_of(given: str | Iterable[str | int]) -> list[int]:
    """Return the GIC versions of a list. Raises UsageError for one that there is not, and for none."""
    parts = given.split(",") if isinstance(given, str) else [part for each in given for part in str(each).split(",")]
    return list(dict.fromkeys(gic_of(part.strip()) for part in parts))


def listed(given: Sequence[str] | str | None, option: str, default: Sequence[str]) -> list[str]:
    """Return the names of a list, or the default ones. Raises UsageError for a list that names none."""
    names = words(given) if given else list(default)
    if not names:
        raise UsageError(f"{option}: expected at least one of {', '.join(default)}")
    return names


def numbers_of(given: str | int | Iterable[int], option: str) -> tuple[int, ...]:
    """Return the whole numbers of a list such as `1,2,4`, `1..8` or `64..1024x2` (doubling), each once.

    `64..1024*2` is the same. Raises UsageError for anything else, and for more than MOST_VALUES.

    >>> numbers_of("1,4..6,64..512x2", "--irqs")
    (1, 4, 5, 6, 64, 128, 256, 512)
    """
    if not isinstance(given, str):
        return (given,) if isinstance(given, int) else tuple(dict.fromkeys(given))
    result: list[int] = []
    for part in given.split(","):
        span = _RANGE.fullmatch(part.strip())
        if span:
            result += _span(part, option, int(span[1]), int(span[2]), span[3])
        elif re.fullmatch(r"-?\d+", part.strip()):
            result.append(int(part))
        else:
            raise _not_numbers(part, option)
    return tuple(dict.fromkeys(result))


def _not_numbers(part: str, option: str) -> UsageError:
    return UsageError(
        f"{option} {part!r}: expected a number, LOW..HIGH or LOW..HIGHxFACTOR, no more than {MOST_VALUES:,}"
    )


def _span(part: str, option: str, low: int, high: int, factor: str | None) -> list[int]:
    """Return the numbers from low to high, or low times powers of the factor."""
    if factor is None:
        if not low <= high < low + MOST_VALUES:
            raise _not_numbers(part, option)
        return list(range(low, high + 1))
    if high < low or int(factor) < 2 or low < 1:
        raise _not_numbers(part, option)
    values = []
    while low <= high:
        values.append(low)
        low *= int(factor)
    return values
