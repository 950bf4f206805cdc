# SPDX-License-Identifier: GPL-2.0-only
"""The reference runs of the real code: traces, results and lock sequences, read from their archives."""

import functools
import tarfile
from pathlib import Path

DATA = Path(__file__).parent / "data"
ARCHIVES = ("gicv2", "gicv3", "hostbug", "workloads")
DESIGNS = ("old", "new", "now")
SINCE = ("now/hand", "now/itsn", "now/its-hand2")
"""Archives with traces and the results of `new` and `now`: what random ones do not reach, LPIs that both can map."""
RESULTS = {"now": "now/"}
"""Where the results of a design lie that are not beside the traces; its lock sequences lie there too."""


@functools.cache
def archive(name: str) -> dict[str, bytes]:
    """Return the files of an archive, by name without folders."""
    with tarfile.open(DATA / f"{name}.tar.xz") as files:
        return {
            Path(member.name).name: file.read()
            for member in files.getmembers()
            if (file := files.extractfile(member)) is not None
        }


@functools.cache
def vector_names() -> tuple[tuple[str, str], ...]:
    """Return (archive, trace name) of every vector."""
    return _names(ARCHIVES)


@functools.cache
def names_since() -> tuple[tuple[str, str], ...]:
    """Return (archive, trace name) of the vectors of `new` and `now` alone."""
    return _names(SINCE)


def _names(archives: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    return tuple(
        (group, name.removesuffix(".trace"))
        for group in archives
        for name in sorted(archive(group))
        if name.endswith(".trace")
    )


def trace_text(group: str, name: str) -> bytes:
    """Return the text of a vector's trace."""
    return archive(group)[f"{name}.trace"]


def expected_result(group: str, name: str, design: str) -> str:
    """Return the result that the real code of `design` gave."""
    folder = "" if group in SINCE else RESULTS.get(design, "")
    return archive(folder + group)[f"{name}.{design}.result"].decode()


def expected_locks(name: str, design: str) -> str | None:
    """Return the lock sequences that the real code of `design` took, None when none were recorded for this trace."""
    text = next(
        (
            text
            for each in ("locks", "now/locks", "now/hand", "now/its-hand2")
            if (text := archive(each).get(f"{name}.{design}.locks"))
        ),
        None,
    )
    return None if text is None else text.decode()


def first_difference(actual: str, expected: str) -> str:
    """Return the first line that differs, both sides, or "" when the texts are equal."""
    if actual == expected:
        return ""
    actual_lines, expected_lines = actual.splitlines(), expected.splitlines()
    for have, want in zip(actual_lines, expected_lines, strict=False):
        if have != want:
            return f"\n have: {have}\n want: {want}"
    return f"have {len(actual_lines)} lines, want {len(expected_lines)}"
