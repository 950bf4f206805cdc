# SPDX-License-Identifier: GPL-2.0-only
"""A recording, from its file to operations: read, surveyed, placed.

`open_recording` reads the whole recording once (into a temporary file of events) and returns a `Recording`; its
`chunks()` yield operations in arrays, as often as asked. The placement rules are in place_kvm and place_qemu.
"""

import itertools
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from bench.recordings import events as ev
from bench.recordings.apart import Ranges, in_comments, within
from bench.recordings.events import EVENT
from bench.recordings.machine.msis import Msis, find_msis
from bench.recordings.machine.survey import DIST_SIZE, REDIST_SIZE, TYPER, Survey
from bench.recordings.machine.thread_table import (
    C_COMMENTS,
    C_EVENTS,
    C_FOREIGN,
    C_LINES,
    C_LOST,
    C_LOST_MARKERS,
    C_MALFORMED,
    C_OTHER,
    C_UNKNOWN,
    learn_all,
    new_threads,
)  # fmt: skip
from bench.recordings.machine.thread_table import COUNTERS as SCAN_COUNTERS
from bench.recordings.machine.threads import Machine, choose, find_machines, roles
from bench.recordings.machine.timer_states import States
from bench.recordings.options import Options
from bench.recordings.placement import common as placing
from bench.recordings.placement.kvm import EXPECTED, place_kvm
from bench.recordings.placement.msi import AS_LPI, AS_SPI, DROPPED, new_msis, set_its_up
from bench.recordings.placement.qemu import place_qemu
from bench.recordings.placement.set_up import enable_everything
from bench.recordings.readers import detect, qemu_csv, qemu_log, ring_buffer, trace_dat
from bench.recordings.readers.ftrace_scan import scan
from bench.recordings.readers.source import Source, with_last
from bench.recordings.spool import Spool, window
from kvmarm.config import VmConfig
from kvmarm.errors import UsageError
from kvmarm.gic import FIRST_RESERVED
from kvmarm.trace import Trace
from kvmarm.trace_read import parse_trace

DEFAULT_LRS = 4
OPS = 1 << 16
"""Operations of one chunk."""
_QEMU_IRQS = 288
"""INTIDs of QEMU's virt machine (256 SPIs), when the guest did not read GICD_TYPER."""

_ASSUMED = " (assumed: nothing in the recording tells its version)"

Progress = Callable[[str, int, int], None]
"""Called with a phase ("reading", "placing"), how much is done and the total (0: not known)."""


@dataclass
class Chunk:
    """Operations `ops` (OP[:]) numbered from `first`, and what the probes recorded at some of their entries.

    apart: for each operation whether it is no part of what was recorded: set-up that no event shows, set-up before a
    window, the epilogue. Such operations are run and not priced. None: no operation is.
    """

    ops: np.ndarray
    first: int
    expected: np.ndarray
    apart: np.ndarray | None = None


@dataclass
class Recording:
    """A recording that has been read.

    kind: see detect. config: the VM it is converted for. lines: counts of what was read. not_converted: accesses of an
    emulator's log by kind. placed: the counters of placing.COUNTERS after `chunks()` ran to its end; apart: then also
    the operations, first and last number, that are no part of what was recorded (see Chunk). exits: how many, by what
    ended the stay; its_accesses: of an ITS's registers. msi: what MSIs are placed as, `lpi`, `spi` or nothing (see
    `place_msis_as`); its: base address of the ITS. assumed_gic: nothing told the GIC's version.
    """

    name: str
    kind: str
    config: VmConfig
    lines: dict[str, int]
    facts: dict[str, str]
    not_converted: Counter[str] = field(default_factory=Counter)
    placed: dict[str, int] = field(default_factory=dict)
    epilogue: int = 0
    apart: Ranges = ()
    exits: dict[str, int] = field(default_factory=dict)
    its_accesses: int = 0
    assumed_gic: bool = False
    msi: str = ""
    its: int = -1
    msis: Msis = field(default_factory=Msis)
    trace: Trace | None = None
    machines: int = 1
    probed: bool = False
    lr_layout: int = 3
    _spool: Spool | None = None
    _survey: Survey | None = None
    _options: Options = field(default_factory=Options)
    _roles: np.ndarray | None = None
    _verdicts: np.ndarray = field(default_factory=lambda: np.zeros(1, np.uint8))
    distributor: int = -1
    redistributors: int = -1
    _needs_enable: bool = False

    def events(self) -> Iterator[np.ndarray]:
        """Yield the events of a KVM recording or an emulator's log (EVENT[:]) in the order of the file."""
        if self._spool is not None:
            yield from self._spool.read()

    def vcpu_of(self, thread: int) -> int:
        """Return the vCPU that a thread (row of the thread table) is in a KVM recording, -1 when it is none."""
        return -1 if self._roles is None or thread < 0 else int(self._roles[thread, 0])

    def place_msis_as(self, kind: str) -> None:
        """Have `chunks` place MSIs as `lpi` (in a VM with an ITS), as `spi`, or (empty) drop them."""
        self.msi = kind if len(self.msis.rows) else ""
        self.config = replace(self.config, its=int(self.msi == "lpi"))

    def close(self) -> None:
        """Delete the temporary file."""
        if self._spool is not None:
            self._spool.close()

    def __enter__(self) -> "Recording":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def chunks(self, progress: Progress | None = None) -> Iterator[Chunk]:
        """Yield the operations. A chunk's arrays are valid until the next is asked for."""
        nothing = np.zeros(0, EXPECTED)
        if self.trace is not None:
            for start in range(0, len(self.trace.ops), OPS):
                ops = self.trace.ops[start : start + OPS]
                yield Chunk(ops, start + 1, nothing, within(self.apart, start + 1, len(ops)))
            return
        assert self._spool is not None and self._survey is not None
        cpus, spis, g, refs = placing.new_state(self.config.gic, self.config.vcpus, self.config.irqs, self.config.lrs)
        self._configure(g, cpus)
        ops = placing.new_ops(OPS)
        expected = np.zeros(OPS // 4, EXPECTED).view(np.recarray)
        found = np.zeros(1, np.int64)

        msis = self._new_msis()
        set_up = 1 << 62

        def apart() -> Ranges:
            starts = cpus[["set_up_from", "set_up_to"]].tolist()
            own = [(first, last) for first, last in starts if first > set_up]
            end = [(self.epilogue, 1 << 62)] if self.epilogue else []
            return ((1, set_up), *sorted(own), *end)

        def flushed() -> Chunk:
            count = int(g[placing.G_COUNT])
            first = int(g[placing.G_TOTAL]) - count + 1
            chunk = Chunk(ops[:count], first, expected[: int(found[0])], within(apart(), first, count))
            g[placing.G_COUNT] = 0
            found[0] = 0
            return chunk

        vcpu = 0
        while (vcpu := int(placing.map_timers(ops, g, vcpu))) < self.config.vcpus:
            yield flushed()
        if self._needs_enable:
            enable_everything(ops, g, cpus, spis)
        set_its_up(ops, g, msis)
        self.epilogue = 0
        qemu = self.kind in (detect.QEMU_CSV, detect.QEMU_LOG)
        rest = np.zeros(0, EVENT)
        told = self._roles, expected, found, self._verdicts, msis
        done = 0
        survey = self._survey
        number, seconds = survey.events - int(survey.kinds[ev.LRS]), (survey.last_time - survey.first_time) / 1e9
        whole = f"{self.name} has {number:,} events in {seconds:.3f} seconds"
        arrays = window(self._spool.read(), self._options, survey.first_time, self.distributor, whole)
        for array, inside in arrays:
            if inside and set_up > int(g[placing.G_TOTAL]):
                set_up = int(g[placing.G_TOTAL])
                placing.window_opens(g)
            events = (np.concatenate([rest, array]) if len(rest) else array).view(np.recarray)
            position = 0
            while position < len(events):
                if qemu:
                    after = place_qemu(events, position, g, cpus, spis, refs, ops)
                else:
                    after = place_kvm(events, position, g, cpus, spis, refs, ops, *told)
                if int(g[placing.G_COUNT]) > OPS // 2 or after == position:
                    if int(g[placing.G_COUNT]) == 0:
                        break
                    yield flushed()
                position = int(after)
            rest = np.array(events[position:])
            done += len(array)
            if progress is not None:
                progress("placing", done, self._spool.rows)
        if int(g[placing.G_COUNT]):
            yield flushed()
        self.epilogue = int(g[placing.G_TOTAL]) + 1
        set_up = min(set_up, self.epilogue - 1)
        vcpu = -1
        while (vcpu := int(placing.epilogue(ops, g, cpus, vcpu))) < self.config.vcpus:
            yield flushed()
        yield flushed()
        last = int(g[placing.G_TOTAL])
        self.apart = tuple((low, min(high, last)) for low, high in apart() if low <= min(high, last))
        names = [name for _, name, _ in placing.COUNTERS]
        self.placed = dict(zip(names, g[placing.G_FIRST_COUNTER :].tolist(), strict=True))

    def _new_msis(self) -> tuple[np.ndarray, np.ndarray, Any]:
        """Return the state of the MSIs' placement, which says what of the ITS's set-up the recording shows."""
        assert self._survey is not None
        msis = new_msis(self.msis, {"lpi": AS_LPI, "spi": AS_SPI}.get(self.msi, DROPPED), self.its)
        its = msis[2]
        controls = self._survey.controls
        its.enabled_by_guest = controls.get(self.its, 0) & 1
        for vcpu in range(self.config.vcpus):
            its.lpis_enabled_by_guest[vcpu] = controls.get(self.redistributors + vcpu * REDIST_SIZE, 0) & 1
        return msis

    def _configure(self, g: np.ndarray, cpus: np.ndarray) -> None:
        assert self._survey is not None
        g[placing.G_EMULATED] = self.kind in (detect.QEMU_CSV, detect.QEMU_LOG)
        g[placing.G_PROBED] = self.probed
        g[placing.G_SGI_SINCE] = self._survey.sgi_probed_since
        g[placing.G_DIST_BASE] = self.distributor
        g[placing.G_REDIST_BASE] = self.redistributors
        g[placing.G_LR_LAYOUT] = self.lr_layout
        vmcr = self._survey.vmcr
        if vmcr:
            # What the guest's interface was set to in the end: ICH_VMCR_EL2 or GICH_VMCR (IHI 0069 12.4, 0048B 5.3.3).
            v3 = self.lr_layout == 3
            cpus["set_pmr"] = (vmcr >> 24) & 0xFF if v3 else ((vmcr >> 27) & 0x1F) << 3
            eoimode = (vmcr >> 9) & 1
            if self.config.gic == 3:
                cpus["set_bpr"] = (vmcr >> 18) & 7
                cpus["set_control"] = (vmcr & 3 or 2) | eoimode << 9
            else:
                cpus["set_bpr"] = (vmcr >> 21) & 7
                cpus["set_control"] = (vmcr & 3 or 1) | eoimode << 9


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
    text = b"".join(chunks)
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
    recording = Recording(name, kind, config, dict(counts), facts, not_converted, assumed_gic=not told)
    recording._spool, recording._survey, recording._options = spool, survey, options
    return recording


def _kvm_events(
    chunks: Iterator[bytes], path: str, name: str, kind: str, threads: np.ndarray, counters: np.ndarray
) -> Iterator[np.ndarray]:
    if kind == detect.TRACE_DAT:
        container = trace_dat.open_container(chunks, path, name)
        yield from ring_buffer.read(container, threads, counters)
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
                position, done = scan(buffer, words, position, last, threads, counters, out)
            yield out[:done]
            if position >= len(data) or (position == before and done == 0):
                break
        rest = data[position:]
        if len(rest) > 1 << 20:
            raise UsageError(f"{name}: a line of more than a megabyte, expected ftrace text")


def _check_architecture(survey: Survey, counters: np.ndarray, head: bytes, name: str) -> None:
    """Raise UsageError for a recording of another architecture's KVM.

    That is: entries or exits with other arguments than KVM/Arm's, and no event that only KVM/Arm has. A recording
    without entries is looked at by the names of its first events.
    """
    foreign = int(counters[C_FOREIGN])
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
    counters = np.zeros(SCAN_COUNTERS, np.int64)
    survey, states = Survey(), States(len(threads))
    for events in _kvm_events(everything, path, name, kind, threads, counters):
        states.add(events)
        survey.add(events)
        spool.append(events)
    lines = {
        "lines": int(counters[C_LINES]),
        "events": int(counters[C_EVENTS]),
        "other": int(counters[C_OTHER]),
        "comments": int(counters[C_COMMENTS]),
        "unknown": int(counters[C_UNKNOWN]),
        "malformed": int(counters[C_MALFORMED]),
        "lost_markers": int(counters[C_LOST_MARKERS]),
        "lost_events": int(counters[C_LOST]),
        "out_of_order": survey.backwards,
    }
    _check_architecture(survey, counters, head, name)
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
    recording = Recording(name, kind, config, lines, facts, machines=len(machines), probed=probed, assumed_gic=not told)
    recording._spool, recording._survey, recording._options = spool, survey, options
    recording._roles, recording._verdicts = roles(threads, machine, machines), states.verdicts
    recording.distributor, recording.redistributors = distributor, redistributors
    recording.lr_layout = 2 if gic == 2 and probed and not survey.wide_lrs and survey.kinds[ev.LRS] else 3
    recording.exits = survey.exit_names()
    recording.its_accesses = survey.its_accesses(distributor, redistributors)
    if gic == 3 and survey.kinds[ev.MSI]:
        free = range(min(irqs, FIRST_RESERVED) - 1, survey.highest_intid, -1)
        recording.msis = find_msis(spool.read(), int(survey.kinds[ev.MSI]), free)
        recording.its = survey.its_base(distributor, redistributors, recording.msis.address)
        recording.place_msis_as("lpi")
        seen, devices = recording.msis.seen, recording.msis.devices
        facts["MSIs"] = (
            f"{len(recording.msis.rows):,} of {devices} devices, {len(recording.msis.pairs)} events; "
            f"LPIs and vCPUs inferred from list registers for {seen}, assumed for {devices - seen}"
        )
    identified = distributor >= 0 and distributor + TYPER in survey.typer
    recording._needs_enable = not identified and distributor not in survey.controls
    return recording


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
    threads, counters = new_threads(), np.zeros(SCAN_COUNTERS, np.int64)
    empty = np.frombuffer(b"", np.uint8)
    events = np.zeros(1, EVENT).view(np.recarray)
    scan(empty, empty.view(np.uint64), 0, True, threads, counters, events)
    cpus, spis, g, refs = placing.new_state(3, 1, 64, 1)
    ops = placing.new_ops(1)
    placing.map_timers(ops, g, 0)
    placing.epilogue(ops, g, cpus, 1)
    enable_everything(placing.new_ops(1 << 10), g, cpus, spis)
    place_qemu(events, 1, g, cpus, spis, refs, ops)
    expected = np.zeros(1, EXPECTED).view(np.recarray)
    found, verdicts = np.zeros(1, np.int64), np.zeros(1, np.uint8)
    msis = new_msis(Msis(), DROPPED, -1)
    place_kvm(events, 1, g, cpus, spis, refs, ops, np.zeros((1, 2), np.int64), expected, found, verdicts, msis)
    set_its_up(ops, g, msis)
    find_msis([events[:0]], 0, [])
    States(1).add(events)
    ring_buffer.decode_pages(empty, 4096, np.zeros(1, np.int64), np.zeros(1, np.int64))
    learn_all(events[:0], threads)
