# SPDX-License-Identifier: GPL-2.0-only
"""The scenario grid: transitions on every design over configurations, counted exactly, in parallel and resumable.

The grid is cut into blocks of places (a design, a configuration, a number of standing interrupts). A block is measured
by a worker of joblib on this machine or of a Dask cluster. Its result becomes one shard file, written under another
name and renamed. Shards lie in a work folder whose name is a hash of the whole plan and of the sources: the same sweep
started again finds what is done, another one or other code never does. A finished sweep is one results folder, and its
work folder (bench.studies.work_folder) goes.
"""

import hashlib
import itertools
import json
import logging
import math
import re
import textwrap
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bench.catalogue.catalogue import SCENE_MARK, Transition, load_catalogue, select
from bench.catalogue.lpis import DEFAULT_SCENE, LpiScene
from bench.engine.designs import check_designs
from bench.meters import weights
from bench.meters.events import HAS_NONE, Counted, measure_all
from bench.results import environment
from bench.results.meta import new_meta, utc_now
from bench.results.parquet import read_frame
from bench.results.schema import KEY, frame
from bench.results.store import Results
from bench.studies.crossover import crossovers
from bench.studies.options import check_patterns
from bench.studies.work_folder import WorkFolder, clear_stale
from bench.switches.tables import transition_tables
from bench.switches.transitions import switch_transitions
from bench.system.exit_status import MEASUREMENT_FAILED
from kvmarm.config import VmConfig
from kvmarm.design import get_design
from kvmarm.errors import UsageError
from kvmarm.events import event_names
from kvmarm.files import atomic_write

BLOCK_PLACES = 8
MOST_COMBINATIONS = 1_000_000

Place = tuple[str, int, int, int, int, int, int]
"""design, gic, vcpus, irqs, lrs, pending, its."""


@dataclass(frozen=True)
class Plan:
    """What a sweep measures: every combination that a VM can have. Others are left out and counted as `impossible`.

    live: live list registers that the world switches' transitions are measured with, none to leave those out. lpis,
    devices, positions: the scenes (bench.catalogue.lpis) that transitions of LPIs are measured in.
    """

    designs: tuple[str, ...]
    gics: tuple[int, ...]
    irqs: tuple[int, ...]
    vcpus: tuple[int, ...]
    lrs: tuple[int, ...]
    pending: tuple[int, ...]
    transitions: tuple[str, ...]
    catalogue: tuple[str, ...] = ()
    live: tuple[int, ...] = ()
    lpis: tuple[int, ...] = (DEFAULT_SCENE.lpis,)
    devices: tuple[int, ...] = (DEFAULT_SCENE.devices,)
    positions: tuple[str, ...] = (DEFAULT_SCENE.position,)

    def scenes(self) -> list[LpiScene]:
        """Return the scenes of LPIs that there can be. Raises UsageError when there is none."""
        found, why = [], None
        for lpis, devices, position in itertools.product(self.lpis, self.devices, self.positions):
            try:
                found.append(LpiScene(lpis, devices, position))
            except UsageError as error:
                why = error
        if not found and why is not None:
            raise why
        return found

    def chosen(self) -> tuple[list[Transition], list[Transition]]:
        """Return the transitions without LPIs, and those of LPIs in each scene."""
        chosen = select(load_catalogue(self.catalogue), self.transitions)
        plain = [transition for transition in chosen if not transition.lpis]
        of_lpis = [transition for transition in chosen if transition.lpis]
        return plain, [transition.at(scene) for scene in (self.scenes() if of_lpis else []) for transition in of_lpis]

    def code_needed(self) -> list[str]:
        """Return the compiled code (bench.meters.compile.PARTS) that the sweep needs."""
        plain, of_lpis = self.chosen()
        return ["counting"] * bool(plain or not of_lpis) + ["lpis"] * bool(of_lpis)

    def combinations(self) -> tuple[list[tuple[VmConfig, int]], int]:
        """Return ([(configuration, standing interrupts)], how many combinations are impossible)."""
        found, impossible = [], 0
        plain, of_lpis = self.chosen()
        for gic, irqs, vcpus, lrs, pending in itertools.product(
            self.gics, self.irqs, self.vcpus, self.lrs, self.pending
        ):
            try:
                config = VmConfig(gic, vcpus, irqs, lrs)
            except UsageError:
                impossible += 1
                continue
            if pending > min(irqs, 1020) - 36:
                impossible += 1
                continue
            found += [(config, pending)] if plain or gic == 2 else []
            found += [(replace(config, its=1), pending)] if of_lpis and gic == 3 else []
        return found, impossible

    def blocks(self) -> list[list[Place]]:
        """Return the places to measure, in blocks."""
        places = [
            (design, c.gic, c.vcpus, c.irqs, c.lrs, pending, c.its)
            for c, pending in self.combinations()[0]
            for design in self.designs
        ]
        return [places[first : first + BLOCK_PLACES] for first in range(0, len(places), BLOCK_PLACES)]

    def identity(self) -> str:
        """Return 16 hex digits that change with anything that changes the result."""
        files = [Path(path).read_text("utf-8") for path in self.catalogue]
        # The record's type has the hash of a design's sources in it, of one from elsewhere too.
        types = [str(get_design(name).dtype.descr) for name in self.designs]
        text = json.dumps([repr(self), files, types, environment.tool()["source_hash"]])
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def check(plan: Plan) -> None:
    """Raise UsageError when a plan names what is not there, or when nothing is left of it."""
    check_designs(plan.designs)
    check_patterns(plan.transitions)
    axes = (plan.gics, plan.irqs, plan.vcpus, plan.lrs, plan.pending, plan.lpis, plan.devices, plan.positions)
    if (combinations := math.prod(map(len, axes))) > MOST_COMBINATIONS:
        raise UsageError(f"{combinations:,} combinations: expected no more than {MOST_COMBINATIONS:,}; use LOW..HIGHx2")
    if min(plan.pending) < 0:
        raise UsageError(f"pending={min(plan.pending)}: expected 0 or more")
    known = sorted({transition.live for transition in switch_transitions()})
    for live in plan.live:
        if live not in known:
            raise UsageError(
                f"--live {live}: expected {known[0]} to {known[-1]}, as the world switches' transitions have"
            )
    plain, of_lpis = plan.chosen()
    chosen = [*plain, *of_lpis]
    found, impossible = plan.combinations()
    if not found:
        raise UsageError(
            f"no VM can have any of the {impossible} combinations: see the ranges of gic, irqs, vcpus, lrs"
        )
    most = max(config.lrs for config, _ in found)
    if plan.live and min(plan.live) > most:
        raise UsageError(f"--live {min(plan.live)}: there are {most} list registers at most; see --lrs")
    for config in {config for config, _ in found}:
        for one in chosen:
            if one.source in plan.catalogue:
                one.check(config)
    if not any(one.effective_pending(config, pending) == pending for config, pending in found for one in chosen):
        raise UsageError(f"none of the transitions applies to any of the {len(found)} configurations")


def measure_block(places: Sequence[Place], plan: Plan) -> pd.DataFrame:
    """Return one row per point of a block: key columns, states, scene of LPIs, and one column per event (int64)."""
    plain, of_lpis = plan.chosen()
    rows: list[dict[str, Any]] = []
    counts: list[np.ndarray] = []
    for name, gic, vcpus, irqs, lrs, pending, its in places:
        chosen = of_lpis if its else plain
        for point in measure_all(get_design(name), VmConfig(gic, vcpus, irqs, lrs, its), pending, chosen):
            if point.pending != pending:
                continue  # the entry needs more standing interrupts than this place has
            expected = f"{point.expected_before or '?'} -> {point.expected_after or '?'}"
            rows.append(
                point.key()
                | {
                    "group": point.transition.group,
                    "before": point.before,
                    "operation": point.transition.operation,
                    "after": point.after,
                    "expected": expected,
                    "ok": point.ok,
                    **_scene_columns(point),
                }
            )
            counts.append(point.counts)
    columns = [*KEY, "group", "before", "operation", "after", "expected", "ok", *SCENE_COLUMNS]
    table = pd.DataFrame(rows, columns=columns)
    matrix = np.array(counts, np.int64).reshape(len(rows), len(event_names()))
    return pd.concat([table, pd.DataFrame(matrix, columns=list(event_names()))], axis=1)


SCENE_COLUMNS = ("lpis", "devices", "position")


def _scene_columns(point: Counted) -> dict[str, Any]:
    """Return how many LPIs of how many devices were mapped, and which was watched; 0 and "" where it is not on LPIs."""
    scene = point.transition.scene if point.transition.lpis else None
    values = (scene.lpis, scene.devices, scene.position) if scene else (0, 0, "")
    return dict(zip(SCENE_COLUMNS, values, strict=True))


def _shard(folder: Path, number: int) -> Path:
    return folder / f"shard-{number:05d}.parquet"


def read_shard(file: Path) -> pd.DataFrame:
    """Return what a shard holds, its checksums checked. Raises UsageError when it is damaged."""
    return read_frame(file)


def _is_whole(shard: Path) -> bool:
    """Return whether a block is there and undamaged; a damaged one is measured again."""
    try:
        names = set(read_shard(shard).columns) if shard.is_file() else set()
    except UsageError:
        return False
    return set(event_names()) <= names


def write_shard(folder: Path, number: int, table: pd.DataFrame) -> None:
    """Write one shard, whole or not at all."""
    with atomic_write(_shard(folder, number)) as file:
        table.to_parquet(file, index=False, write_page_checksum=True)


def _block_to_shard(folder: str, number: int, places: Sequence[Place], plan: Plan) -> int:
    write_shard(Path(folder), number, measure_block(places, plan))
    return number


def _local(plan: Plan, folder: Path, waiting: Sequence[tuple[int, list[Place]]], jobs: int) -> Iterator[int]:
    from joblib import Parallel, delayed

    work = Parallel(n_jobs=jobs, return_as="generator_unordered")
    try:
        yield from work(delayed(_block_to_shard)(str(folder), number, places, plan) for number, places in waiting)
    except BrokenProcessPool as error:
        # Its last words are a list of the workers' exit codes: {SIGKILL(-9)}.
        how = "".join(re.findall(r"exit codes of the workers are \{(.*)\}", str(error))) or "killed"
        raise _stopped(f"a worker process ended before it had measured ({how}; out of memory?)") from error
    except MemoryError as error:
        raise _stopped("a worker process ran out of memory; fewer --jobs need less of it") from error


def _stopped(why: str) -> UsageError:
    return UsageError(f"{why}; what is done is kept for a day, the same command goes on from there", MEASUREMENT_FAILED)


def _on_cluster(plan: Plan, folder: Path, waiting: Sequence[tuple[int, list[Place]]], address: str) -> Iterator[int]:
    try:
        from distributed import Client, as_completed
    except ImportError:
        raise UsageError("--scheduler needs the package `distributed`: pip install 'vgic-bench[dask]'") from None
    # What fails is told in one line below; the client's own log would say it in tracebacks.
    for name in ("distributed.client", "distributed.utils"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        client = Client(address, timeout=10)
    except (OSError, ValueError, TimeoutError) as error:
        raise UsageError(f"scheduler {address}: cannot be reached: {error or type(error).__name__}") from error
    with client:
        # The shards are written here: a cluster's workers need not share a file system.
        futures = {client.submit(measure_block, places, plan, pure=False): number for number, places in waiting}
        for future in as_completed(list(futures)):
            number = futures[future]
            try:
                table = future.result()
            except UsageError:
                raise
            except (Exception, CancelledError) as error:
                # Workers killed time and again, one without vgic-bench, a scheduler that went away: any error at all.
                why = textwrap.shorten(f"{type(error).__name__}: {error}", 120, placeholder=" …")
                raise _stopped(f"scheduler {address}: measuring failed ({why})") from error
            write_shard(folder, number, table)
            yield number


def run_blocks(plan: Plan, folder: Path, scheduler: str | None, jobs: int, progress: Callable[[int, int], None]) -> int:
    """Measure the blocks whose shards are not in `folder`; return how many were there already.

    Raises UsageError when the scheduler cannot be reached, with status 5 when a worker dies; finished blocks stay.
    """
    blocks = plan.blocks()
    waiting = [(number, places) for number, places in enumerate(blocks) if not _is_whole(_shard(folder, number))]
    done = len(blocks) - len(waiting)
    progress(done, len(blocks))
    if waiting:
        finished = _on_cluster(plan, folder, waiting, scheduler) if scheduler else _local(plan, folder, waiting, jobs)
        for number, _ in enumerate(finished, done + 1):
            progress(number, len(blocks))
    return done


def assemble(plan: Plan, folder: Path) -> Results:
    """Return the results of a sweep whose shards are complete: transitions, events, crossover."""
    parts = [read_shard(_shard(folder, number)) for number in range(len(plan.blocks()))]
    table = pd.concat(parts, ignore_index=True)
    names = list(event_names())
    matrix = table[names].to_numpy(np.int64)
    transitions = table.drop(columns=names)
    transitions["events"] = matrix.sum(axis=1)
    transitions["instructions"] = np.nan
    for design in plan.designs:
        rows = (table["design"] == design).to_numpy()
        known = rows & ~((transitions["after"] == HAS_NONE) | _unweighted(design, transitions)).to_numpy()
        vector = weights.weights_of(get_design(design))
        transitions.loc[known, "instructions"] = weights.instructions(matrix[known], vector)
    transitions["samples"] = 0
    transitions[["time_ns", "time_low", "time_high"]] = np.nan
    columns = [*frame("transitions", []).columns, "title"]
    titles = {name: entry.title for name, entry in load_catalogue(plan.catalogue).items()}
    transitions["title"] = transitions["transition"].str.partition(SCENE_MARK)[0].map(titles)
    if transitions["lpis"].any():
        columns += SCENE_COLUMNS
    point, event = np.nonzero(matrix)
    events = table[list(KEY)].iloc[point].reset_index(drop=True)
    events["event"] = pd.Series(np.array(names, object)[event])
    events["count"] = matrix[point, event]
    own = _switch_tables(plan)
    switches = own["transitions"].assign(lpis=0, devices=0, position="")[columns]
    transitions = pd.concat([transitions[columns], switches], ignore_index=True)
    events = pd.concat([events, own["events"]], ignore_index=True)
    return Results({}, {"transitions": transitions, "events": events, "crossover": crossovers(transitions)})


def _unweighted(design: str, transitions: pd.DataFrame) -> pd.Series:
    """Return which points are of LPIs when a design has no weights for those."""
    return (transitions["lpis"] > 0) & (not weights.covers_lpis(get_design(design)))


def _switch_tables(plan: Plan) -> dict[str, pd.DataFrame]:
    """Return the rows of the world switches' transitions for every GIC version and number of list registers.

    They take no VM, only a moment, and so no block of their own.
    """
    rows: dict[str, list[dict[str, Any]]] = {"transitions": [], "events": []}
    for lrs in plan.lrs if plan.live else ():
        gics = [gic for gic in plan.gics if lrs <= (64 if gic == 2 else 16)]
        for name, table in transition_tables(gics, lrs).items():
            if name in rows:
                rows[name] += [row for row in table if row["live"] in plan.live]
    tables = {name: frame(name, table) for name, table in rows.items()}
    return {
        name: table if "title" in table or name == "events" else table.assign(title="")
        for name, table in tables.items()
    }


def sweep(
    plan: Plan,
    root: Path,
    scheduler: str | None = None,
    jobs: int = -1,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[Results, WorkFolder, int]:
    """Run a sweep or resume it; return (results, work folder to remove when they are saved, blocks found done).

    root: folder that the work folder is made in, and old ones cleared away. Raises UsageError for a bad plan or
    scheduler, and when the same sweep is running there.
    """
    check(plan)
    meta = new_meta("sweep")
    folder = WorkFolder(root, plan.identity())
    clear_stale(root)  # after its own is held, however old that is
    try:
        found = run_blocks(plan, folder.path, scheduler, jobs, progress)
        results = assemble(plan, folder.path)
    except BaseException:
        folder.give_up()
        raise
    combinations, impossible = plan.combinations()
    designs = [get_design(name) for name in plan.designs]
    results.meta = meta | {
        "tool": environment.tool(),
        "command": environment.command(),
        "environment": environment.environment(),
        "configuration": {
            name: list(getattr(plan, name)) for name in ("irqs", "vcpus", "lrs", "pending", "transitions")
        }
        | {"gic": list(plan.gics)},
        "designs": [{"name": d.name, "title": d.title, "source": d.source, "family": "vgic"} for d in designs],
        "meters": ["events", "instructions"],
        "notes": [f"{len(combinations)} configurations; {impossible} combinations that no VM can have were left out"],
        "complete": True,
        "finished": utc_now(),
    }
    return results, folder, found
