# SPDX-License-Identifier: GPL-2.0-only
"""A recording, from its file to operations: read, surveyed, placed.

`open_recording` reads the whole recording once (into a temporary file of events) and returns a `Recording`; its
`chunks()` yield operations in arrays, as often as asked. The placement rules are in placement.kvm and placement.qemu.
"""

import itertools
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np

from bench.recordings import events as ev
from bench.recordings.apart import in_comments
from bench.recordings.events import EVENT
from bench.recordings.machine.msis import Msis, find_msis
from bench.recordings.machine.survey import DIST_SIZE, TYPER, Survey
from bench.recordings.machine.thread_table import learn_all, new_counts, new_threads
from bench.recordings.machine.threads import Machine, choose, find_machines, roles
from bench.recordings.machine.timer_states import States
from bench.recordings.options import Options
from bench.recordings.placement.common import epilogue, map_timers, new_state
from bench.recordings.placement.kvm import place_kvm
from bench.recordings.placement.msi import DROPPED, new_msis, set_its_up
from bench.recordings.placement.qemu import place_qemu
from bench.recordings.placement.set_up import enable_everything
from bench.recordings.readers import detect, qemu_csv, qemu_log, ring_buffer, trace_dat
from bench.recordings.readers.ftrace_scan import scan
from bench.recordings.readers.source import Source, with_last
from bench.recordings.recording import Events, Progress, Recording
from bench.recordings.spool import Spool
from kvmarm.config import VmConfig
from kvmarm.errors import UsageError
from kvmarm.gic import FIRST_RESERVED
from kvmarm.trace_read import gather, parse_trace

DEFAULT_LRS = 4
_QEMU_IRQS = 288
"""INTIDs of QEMU's virt machine (256 SPIs), when the guest did not read GICD_TYPER."""

_ASSUMED = " (assumed: nothing in the recording tells its version)"


def open_recording(path: str, options: Options | None = None, progress: Progress | None = None) -> Recording:
    """Read a recording (`-`: standard input). Raises UsageError for anything that is none, or not usable."""
    options = options or Options()
    source = Source(path, None if progress is None else lambda done, total: progress("reading", done, total))
    try:
        chunks = source.chunks()
        first = next(chunks, b"")
        while len(first) < 1 << 16:
            more = next(chunks, b"")
            if not more:
                break
            first += more
        if not first:
            raise UsageError(f"{source.name}: empty once decompressed, expected a recording")
        kind = detect.detect(first[: 1 << 16], source.name)
        everything = itertools.chain([first], chunks)
        if kind == detect.TRACE:
            return _trace(everything, source.name)
        spool = Spool()
        try:
            if kind in (detect.QEMU_CSV, detect.QEMU_LOG):
                return _emulator(everything, source.name, kind, options, spool)
            recording = _kvm(everything, first[: 1 << 16], path, source.name, kind, options, spool)
            recording.lines["overwritten"] = _overwritten(first[: 1 << 16])
            return recording
        except BaseException:
            spool.close()
            raise
    finally:
        source.close()


def _overwritten(head: bytes) -> int:
    """Return how many entries the kernel's ring buffer had overwritten, as the heading of its text says."""
    found = re.search(rb"^# entries-in-buffer/entries-written: (\d{1,18})/(\d{1,18})\b", head, re.MULTILINE)
    return int(found[2]) - int(found[1]) if found else 0


def _trace(chunks: Iterator[bytes], name: str) -> Recording:
    text = gather(chunks, name)
    trace = parse_trace(text, name=name, source=name)
    lines = {"lines": len(trace.ops) + 1, "events": len(trace.ops)}
    return Recording(name, detect.TRACE, trace.config, lines, {}, apart=in_comments(text), trace=trace)


def _emulator(chunks: Iterator[bytes], name: str, kind: str, options: Options, spool: Spool) -> Recording:
    counts: Counter[str] = Counter()
    not_converted: Counter[str] = Counter()
    survey = Survey()
    reader = qemu_csv.read if kind == detect.QEMU_CSV else qemu_log.read
    for events in reader(chunks, name, counts, not_converted):
        survey.add(events)
        spool.append(events)
    if not spool.rows:
        raise UsageError(f"{name}: {kind} without a single GIC event of a guest")
    told = options.gic or survey.gic_version(-1, 0)
    # The default of QEMU's virt machine.
    gic = told or 2
    typer = survey.frame_typer
    vcpus = max(survey.highest_vcpu, survey.highest_region) + 1
    if typer >= 0 and gic == 2:
        vcpus = max(vcpus, (typer >> 5 & 7) + 1)
    # QEMU's GICv3 counts SPIs only in ITLinesNumber.
    lines = _QEMU_IRQS if typer < 0 else ((typer & 31) + (1 if gic == 2 else 2)) * 32
    irqs = options.irqs or max(64, min(1024, lines), (survey.highest_intid // 32 + 1) * 32)
    config = _config(name, gic, vcpus, irqs, options.lrs or DEFAULT_LRS)
    facts = {"vCPUs": str(vcpus), "GIC": f"GICv{gic}" + _ASSUMED * (not told)}
    return Recording(
        name,
        kind,
        config,
        dict(counts),
        facts,
        Events(spool, survey, options, emulated=True),
        not_converted=not_converted,
        assumed_gic=not told,
    )


def _kvm_events(
    chunks: Iterator[bytes], path: str, name: str, kind: str, threads: np.ndarray, counts: Any
) -> Iterator[np.ndarray]:
    if kind == detect.TRACE_DAT:
        container = trace_dat.open_container(chunks, path, name)
        yield from ring_buffer.read(container, threads, counts)
        return
    out = np.zeros(1 << 16, EVENT).view(np.recarray)
    rest = b""
    for chunk, last in with_last(chunks):
        data = rest + chunk if rest else chunk
        buffer = np.frombuffer(data, np.uint8)
        words = buffer[: len(buffer) & ~7].view(np.uint64)
        position = 0
        while True:
            before = position
            # Sums of 64 bits wrap; NumPy warns of it where there is no compiled code.
            with np.errstate(over="ignore"):
                position, done = scan(buffer, words, position, last, threads, counts, out)
            yield out[:done]
            if position >= len(data) or (position == before and done == 0):
                break
        rest = data[position:]
        if len(rest) > 1 << 20:
            raise UsageError(f"{name}: a line of more than a megabyte, expected ftrace text")


def _check_architecture(survey: Survey, counts: Any, head: bytes, name: str) -> None:
    """Raise UsageError for a recording of another architecture's KVM.

    That is: entries or exits with other arguments than KVM/Arm's, and no event that only KVM/Arm has. A recording
    without entries is looked at by the names of its first events.
    """
    foreign = int(counts.foreign)
    entered = bool(survey.kinds[ev.ENTRY] or survey.kinds[ev.LR_ENTRY])
    other = detect.other_architecture(head) if foreign or not entered else ""
    if not other and not foreign:
        return
    if survey.kinds[list(ev.ONLY_ARM)].any() or survey.exits[: ev.EXIT_UNKNOWN].any():
        return
    raise UsageError(
        f"{name}: KVM events of {other or 'another architecture'}: kvm_entry and kvm_exit do not have the arguments of "
        "KVM/Arm's, expected a recording made on an Arm host"
    )


def _kvm(
    everything: Iterator[bytes], head: bytes, path: str, name: str, kind: str, options: Options, spool: Spool
) -> Recording:
    threads = new_threads()
    counts = new_counts()
    survey, states = Survey(), States(len(threads))
    for events in _kvm_events(everything, path, name, kind, threads, counts):
        states.add(events)
        survey.add(events)
        spool.append(events)
    lines = {
        "lines": int(counts.lines),
        "events": int(counts.events),
        "other": int(counts.other),
        "comments": int(counts.comments),
        "unknown": int(counts.unknown),
        "malformed": int(counts.malformed),
        "lost_markers": int(counts.lost_markers),
        "lost_events": int(counts.lost_events),
        "out_of_order": survey.backwards,
    }
    _check_architecture(survey, counts, head, name)
    if not survey.kinds[ev.ENTRY] and not survey.kinds[ev.LR_ENTRY]:
        raise UsageError(
            f"{name}: {lines['lines']} lines, but no kvm_entry event: record the kvm events (vgic-bench record)"
        )
    machines = find_machines(threads, name, options.vcpu_threads)
    machine = choose(machines, options.vm, name)
    if len(machines) > 1 or len(np.unique(threads["file"][threads["pid"] >= 0])) > 1:
        survey = _survey_of(spool, roles(threads, machine, machines))
    vcpus = _vcpus(machine, machines, survey, threads)
    qemu = machine.qemu
    distributor = survey.distributor(options.vmm, qemu) if options.gic_base is None else options.gic_base
    unused = " (never accessed)" * (not survey.hits(distributor, DIST_SIZE))
    redistributors = survey.redistributors(distributor, vcpus) if options.redist_base is None else options.redist_base
    told = options.gic or survey.gic_version(distributor, vcpus)
    gic = told or options.gic_unless_told
    vcpus = max(vcpus, survey.created(distributor, redistributors, gic))
    irqs = options.irqs or survey.interrupts(distributor)
    # One of the two alone does not tell what happened between them.
    probed = bool(survey.kinds[ev.LR_ENTRY] and survey.kinds[ev.LR_EXIT])
    lrs = options.lrs or (min(survey.list_registers, 16) if survey.list_registers else DEFAULT_LRS)
    config = _config(name, gic, vcpus, irqs, lrs)
    facts = {
        "vCPUs": machine.describe(),
        "GIC": f"GICv{gic}"
        + _ASSUMED * (not told)
        + (f", distributor at {distributor:#x}{unused}" if distributor >= 0 else ", its frames not accessed")
        + (f", redistributors at {redistributors:#x}" if gic == 3 and redistributors >= 0 else ""),
        "probes": ", ".join(["list registers"] * probed + ["SGI values"] * bool(survey.kinds[ev.SGI_VALUE])) or "none",
    }
    identified = distributor >= 0 and distributor + TYPER in survey.typer
    source = Events(
        spool,
        survey,
        options,
        emulated=False,
        probed=probed,
        lr_layout=2 if gic == 2 and probed and not survey.wide_lrs and survey.kinds[ev.LRS] else 3,
        roles=roles(threads, machine, machines),
        verdicts=states.verdicts,
        distributor=distributor,
        redistributors=redistributors,
        needs_enable=not identified and distributor not in survey.controls,
        **_msis(spool, survey, distributor, redistributors, irqs if gic == 3 else 0),
    )
    if len(source.msis.rows):
        seen, devices = source.msis.seen, source.msis.devices
        facts["MSIs"] = (
            f"{len(source.msis.rows):,} of {devices} devices, {len(source.msis.pairs)} events; "
            f"LPIs and vCPUs inferred from list registers for {seen}, assumed for {devices - seen}"
        )
    recording = Recording(
        name,
        kind,
        config,
        lines,
        facts,
        source,
        machines=len(machines),
        exits=survey.exit_names(),
        its_accesses=survey.its_accesses(distributor, redistributors),
        assumed_gic=not told,
    )
    recording.place_msis_as("lpi")
    return recording


def _msis(spool: Spool, survey: Survey, distributor: int, redistributors: int, irqs: int) -> dict[str, Any]:
    """Return what Events holds of the MSIs of a GICv3's VM with `irqs` INTIDs (0: it has another GIC)."""
    if not irqs or not survey.kinds[ev.MSI]:
        return {}
    free = range(min(irqs, FIRST_RESERVED) - 1, survey.highest_intid, -1)
    msis = find_msis(spool.read(), int(survey.kinds[ev.MSI]), free)
    return {"msis": msis, "its": survey.its_base(distributor, redistributors, msis.address)}


def _config(name: str, gic: int, vcpus: int, irqs: int, lrs: int) -> VmConfig:
    try:
        return VmConfig(gic, vcpus, irqs, lrs)
    except UsageError as error:
        raise UsageError(f"{name}: GICv{gic} of {vcpus} vCPUs, {irqs} INTIDs, {lrs} list registers: {error}") from None


def _survey_of(spool: Spool, table: np.ndarray) -> Survey:
    """Return the survey of one of several machines. table: see threads.roles."""
    survey = Survey()
    for events in spool.read():
        of_thread = table[events["thread"]]
        line = events["kind"] == ev.LINE
        survey.add(events[(events["thread"] < 0) | np.where(line, of_thread[:, 1] > 0, of_thread[:, 0] >= 0)])
    return survey


def _vcpus(machine: Machine, machines: list[Machine], survey: Survey, threads: np.ndarray) -> int:
    """How many vCPUs the machine has: every number that its threads, its lines or its creation mention."""
    highest = max(machine.vcpus)
    if len(machines) == 1:
        highest = max(highest, survey.highest_vcpu, int(threads["timer_map"].max()))
    return highest + 1


def compile_readers() -> None:
    """Compile the scanner, the decoder of ring buffer pages and both placements (nothing else here is compiled)."""
    threads, counts = new_threads(), new_counts()
    empty = np.frombuffer(b"", np.uint8)
    events = np.zeros(1, EVENT).view(np.recarray)
    scan(empty, empty.view(np.uint64), 0, True, threads, counts, events)
    state = new_state(3, 1, 64, 1)
    map_timers(state, 0)
    epilogue(state, 1)
    enable_everything(state)
    place_qemu(events, 1, state)
    msis = new_msis(Msis(), DROPPED, -1)
    place_kvm(events, 1, state, np.zeros((1, 2), np.int64), np.zeros(1, np.uint8), msis)
    set_its_up(state, msis)
    find_msis([events[:0]], 0, [])
    States(1).add(events)
    ring_buffer.decode_pages(empty, 4096, np.zeros(1, np.int64), np.zeros(1, np.int64))
    learn_all(events[:0], threads)
