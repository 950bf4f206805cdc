# SPDX-License-Identifier: GPL-2.0-only
"""What the author of a design runs: is it one, does it behave, and is it the same model however it is run.

Each check yields findings. A design's package may hold `check.toml`: `[[known]]` tables that say which findings its
author knows of, and why; those fail nothing. The checks:

- interface: every operation is there, with the parameters of kvmarm.interface.
- catalogue: each transition ends in the state that the catalogue says (of a design it does not name: the
  architecture's).
- packaged traces: each recorded workload runs to its end. How many operations gave another result than in another
  design is reported, not judged: where a recording does not fix a result, designs may differ.
- random traces: with counting, without, and as plain Python (NUMBA_DISABLE_JIT=1) the results and locks are equal.
- locks: in all those traces no lock is taken twice or released without having been taken, and none is held after an
  operation; of two ap_list locks the lower is first, and no two kinds of lock are taken in both orders.

`python -m bench.studies.design_check DESIGN FOLDER` runs the traces of a folder for the plain half of a comparison.
"""

import fnmatch
import inspect
import os
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path

from bench.catalogue.catalogue import load_catalogue
from bench.engine.runner import TraceRun
from bench.meters.events import measure_all
from bench.system.processes import module_command
from bench.workloads import catalogue as packaged
from bench.workloads.random_traces import TraceMaker
from kvmarm import interface
from kvmarm.config import VmConfig
from kvmarm.design import Design, get_design
from kvmarm.errors import UsageError
from kvmarm.jit import JIT_ENABLED
from kvmarm.trace import Trace
from kvmarm.trace_read import parse_trace, read_trace

KNOWN_FILE = "check.toml"
CONFIGURATIONS = (VmConfig(gic=2, vcpus=4, irqs=256, lrs=4), VmConfig(gic=3, vcpus=4, irqs=256, lrs=4))
_OPTIONAL = frozenset({"signal_msi"})
"""Operations of the ITS, which a design need not have."""
_KIND = re.compile(r"^(ap|irq|[a-z]+)")


@dataclass(frozen=True)
class Finding:
    """One thing that was checked: by which check, what, whether it is right, what was found, and why that is known."""

    check: str
    name: str
    ok: bool
    text: str = ""
    why: str = ""


@dataclass(frozen=True)
class Known:
    """A finding that the author knows of: of which check, which names (patterns), and for what reason."""

    check: str
    names: tuple[str, ...]
    why: str


def known_of(design: Design) -> list[Known]:
    """Return what the design's `check.toml` says. Raises UsageError for one that has another form."""
    if design.package is None:
        return []
    path = files(design.package) / KNOWN_FILE
    if not path.is_file():
        return []
    try:
        entries = tomllib.loads(path.read_text("utf-8")).get("known", [])
        return [Known(str(entry["check"]), tuple(map(str, entry["names"])), str(entry["why"])) for entry in entries]
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{path}: expected tables [[known]] with check, names (a list) and why: {error}") from error


def check_interface(design: Design) -> Iterator[Finding]:
    """Yield a finding per operation."""
    for name in interface.OPERATIONS:
        if name in _OPTIONAL and not design.has_its:
            continue
        function = design.functions.get(name)
        if function is None:
            yield Finding("interface", name, False, "there is no such function")
            continue
        own = list(inspect.signature(getattr(function, "py_func", function)).parameters)
        wanted = list(inspect.signature(getattr(interface, name)).parameters)
        text = "" if own == wanted else f"parameters {', '.join(own)}, expected {', '.join(wanted)}"
        yield Finding("interface", name, own == wanted, text)


def check_catalogue(design: Design) -> Iterator[Finding]:
    """Yield a finding per transition and GIC version."""
    for config in CONFIGURATIONS:
        for point in measure_all(design, config, 0, load_catalogue().values()):
            text = f"{point.before} → {point.after}, expected {point.expected_before} → {point.expected_after}"
            yield Finding("catalogue", f"{point.transition.name} gicv{config.gic}", point.ok, "" if point.ok else text)


def _run(trace: Trace, design: Design, count: bool) -> tuple[str, str]:
    """Return the result and, of a counting run, the lock sequences of a trace."""
    results: list[bytes] = []
    locks: list[bytes] = []
    TraceRun(trace, design, count).run(results.append, locks.append if count else None)
    return b"".join(results).decode(), b"".join(locks).decode()


def check_packaged(design: Design, against: Design) -> Iterator[Finding]:
    """Yield a finding per packaged workload: how it ended, and how far it is from another design."""
    for entry in packaged():
        trace = entry.load()
        if trace.config.its and not design.has_its:
            yield Finding("packaged traces", entry.name, True, "left out: the design has no ITS")
            continue
        own = _run(trace, design, False)[0].splitlines()
        bug = own[-1].partition("bug=")[2].split(" ")[0] if own else ""
        if bug:
            yield Finding("packaged traces", entry.name, False, f"ends in {bug} at operation {len(own)}")
            continue
        text = "equal"
        if not trace.config.its or against.has_its:
            other = _run(trace, against, False)[0].splitlines()
            different = sum(a != b for a, b in zip(own, other, strict=False))
            if different:
                text = f"{different:,} of {len(own):,} operations otherwise than in {against.name}"
        yield Finding("packaged traces", entry.name, True, text)


def lock_faults(lines: Iterable[str], orders: dict[tuple[str, str], str]) -> Iterator[str]:
    """Yield what is wrong in the lines of a `.locks` file; `orders` gathers which kind was taken in which, where."""
    for line in lines:
        number, _, words = line.partition(" op=")
        held: list[str] = []
        for entry in filter(None, words.partition("locks=")[2].split(",")):
            name = entry[1:]
            if entry[0] == "-":
                if name not in held:
                    yield f"operation {number}: {name} is released and was not taken"
                else:
                    held.remove(name)
                continue
            if name in held:
                yield f"operation {number}: {name} is taken twice"
            for outer in held:
                if outer.startswith("ap") and name.startswith("ap") and int(outer[2:]) > int(name[2:]):
                    yield f"operation {number}: {name} is taken inside {outer}, the lower vCPU's is to be first"
                kinds = _kind(outer), _kind(name)
                if kinds[0] != kinds[1]:
                    orders.setdefault(kinds, f"operation {number}")
            held.append(name)
        if held:
            yield f"operation {number}: {', '.join(held)} held at its end"


def _kind(name: str) -> str:
    match = _KIND.match(name)
    return match[1] if match else name


def _first_difference(a: str, b: str) -> str:
    for one, other in zip(a.splitlines(), b.splitlines(), strict=False):
        if one != other:
            return f"{one[:120]!r} and {other[:120]!r}"
    return f"{len(a.splitlines())} and {len(b.splitlines())} lines"


def _plain_runs(design: Design, folder: Path) -> None:
    """Run the traces of a folder in a process without JIT. Raises UsageError when that fails."""
    command = module_command("bench.studies.design_check", design.name, str(folder))
    done = subprocess.run(command, env=os.environ | {"NUMBA_DISABLE_JIT": "1"}, capture_output=True, text=True)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["(no message)"])[-1]
        raise UsageError(f"design {design.name!r} as plain Python (NUMBA_DISABLE_JIT=1): {last}", 1)


def check_random(design: Design, seeds: Sequence[int], operations: int) -> Iterator[Finding]:
    """Yield findings on random traces and on the locks in them."""
    orders: dict[tuple[str, str], str] = {}
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        for seed in seeds:
            (folder / f"{seed}.trace").write_text(TraceMaker(seed, operations).text())
        plain_error = ""
        try:
            if JIT_ENABLED:
                _plain_runs(design, folder)
        except UsageError as error:
            plain_error = str(error)
            yield Finding("random traces", "plain Python", False, plain_error)
        for seed in seeds:
            trace = read_trace(folder / f"{seed}.trace")
            name = f"seed {seed}: {trace.config}"
            counted, locks = _run(trace, design, True)
            uncounted, _ = _run(trace, design, False)
            same = counted == uncounted
            text = "" if same else f"counting changes the result: {_first_difference(counted, uncounted)}"
            if same and JIT_ENABLED and not plain_error:
                plain = (folder / f"{seed}.result").read_text(), (folder / f"{seed}.locks").read_text()
                same = (counted, locks) == plain
                which = 0 if counted != plain[0] else 1
                ours = (counted, locks)[which]
                text = "" if same else f"compiled and plain Python differ: {_first_difference(ours, plain[which])}"
            yield Finding("random traces", name, same, text)
            faults = list(lock_faults(locks.splitlines(), orders))
            yield Finding("locks", name, not faults, "; ".join(faults[:3]))
    both = sorted(pair for pair in orders if pair[0] < pair[1] and pair[::-1] in orders)
    text = "; ".join(f"{b} inside {a} ({orders[a, b]}) and {a} inside {b} ({orders[b, a]})" for a, b in both)
    yield Finding("locks", "one order of the kinds", not both, text)


def check_design(
    name: str,
    against: str = "new",
    seeds: Sequence[int] = range(6),
    operations: int = 200,
    progress: Callable[[str], None] | None = None,
) -> list[Finding]:
    """Return what all checks find of a design, known findings with their reason. Raises UsageError for no design."""
    design, other = get_design(name), get_design(against)
    known = known_of(design)
    found = list(check_interface(design))
    if all(finding.ok for finding in found):
        for title, findings in (
            ("catalogue", check_catalogue(design)),
            ("packaged traces", check_packaged(design, other)),
            ("random traces", check_random(design, seeds, operations)),
        ):
            if progress is not None:
                progress(title)
            found += findings
    return [_with_reason(finding, known) for finding in found]


def _with_reason(finding: Finding, known: Sequence[Known]) -> Finding:
    if finding.ok:
        return finding
    for entry in known:
        if entry.check == finding.check and any(fnmatch.fnmatchcase(finding.name, name) for name in entry.names):
            return replace(finding, why=entry.why)
    return finding


def failing(findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings that fail a check: not right, and not known."""
    return [finding for finding in findings if not finding.ok and not finding.why]


if __name__ == "__main__":
    _design, _folder = get_design(sys.argv[1]), Path(sys.argv[2])
    for _path in sorted(_folder.glob("*.trace")):
        _result, _locks = _run(parse_trace(_path.read_bytes(), name=_path.stem), _design, True)
        _path.with_suffix(".result").write_text(_result)
        _path.with_suffix(".locks").write_text(_locks)
