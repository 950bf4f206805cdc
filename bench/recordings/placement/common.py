# SPDX-License-Identifier: GPL-2.0-only
"""What both placements share: the state of a conversion and the steps that emit operations.

Rules, the same for every source:

- A vCPU is in the guest except at exits. An exit is `sync` … `flush`.
- The virtual timer (INTID 27) is forwarded (`map` V 27 to 27 + 32 V). Its line is sampled just before a sync and just
  before a flush: `injectm` when it differs from what was told last. At a flush the host makes the physical interrupt
  active while the line is high or the interrupt is active, and inactive otherwise: `phys` when that is a change.
- The end (epilogue): every vCPU leaves the guest, then each in turn is asked for what is pending, enters, acknowledges
  and completes as often as it has list registers, and leaves: what is still deliverable shows.

State: `cpus` (CPU[:]), one record a vCPU; `g` (int64[G_SIZE]), the configuration and counters; `refs`
(int64[vcpus, ACK_KEYS]), number of the operation that acknowledged an interrupt. Operations go to `ops` (OP[:]).
"""

from typing import Any

import numpy as np

from kvmarm.gic import FIRST_LPI, TIMER
from kvmarm.jit import U64, jit
from kvmarm.trace import (
    ACK,
    BPR,
    CTLR,
    EOI,
    FLUSH,
    INJECTM,
    MAP,
    MMIO_R,
    MMIO_W,
    OP,
    PENDING,
    PHYS,
    PMR,
    SYNC,
)  # fmt: skip

MAX_RECORDED_LRS = 16
ACK_KEYS = 1 << 14
"""Acknowledged interrupts are told apart by INTID and, for GICv2 SGIs, the source vCPU in bits 12:10: `ack_key`."""

CPU = np.dtype(
    [
        ("in_guest", np.int64),
        ("started", np.int64),
        ("line", np.int64),
        ("told", np.int64),
        ("physical", np.int64),
        ("active", np.int64),
        ("control", np.int64),
        ("set_pmr", np.int64),
        ("set_control", np.int64),
        ("set_bpr", np.int64),
        ("lr_count", np.int64),
        ("lr", np.uint64, (MAX_RECORDED_LRS,)),
        ("levels", np.int64),
        ("enabled", np.int64),
        ("latched", np.int64),
        ("running", np.int64),
        ("waiting", np.int64),
        ("taking", np.int64),
        ("taking_spis", np.int64),
        ("waiting_msis", np.int64),
        ("msi_epoch", np.int64),
        ("confirmed", np.int64),
        ("probed", np.int64),
        ("state", np.int64),
        ("left", np.int64),
        ("set_up_from", np.int64),
        ("set_up_to", np.int64),
    ]
)
"""One vCPU. `line`: level of the timer line, `told`: as last injected; `physical`: the forwarded interrupt's active
bit; `active`: the guest holds the timer interrupt; `set_…`: what the guest's interface is set to on its first entry
(KVM recordings); `lr`: list registers at the latest entry. `levels`, `enabled`, `latched`, `running`: bit masks over
INTIDs 0..31 (line level, enabled, pending without a line, active). For recordings without LR probes: `waiting`: SGIs
sent and not taken; `taking`, `taking_spis`: what the guest is assumed to take after this entry, by INTID and in number;
`waiting_msis`: MSIs not taken, each device's event once since the entry that `msi_epoch` counts.
`confirmed`: the entry that a probe announced was seen too; `probed`: list registers have been seen, and count from
there on; `state`: number of the latest timer state (-1: none);
`left`: it is out already, its kvm_exit is to come; `set_up_from`,
`set_up_to`: numbers of the operations that set its interface up and, where the recording starts with it in the guest,
brought it there (0: none yet)."""


@jit
def ack_key(key: Any) -> Any:
    """Return where in `refs` an interrupt is: LPIs behind the others."""
    return key if key < FIRST_LPI else FIRST_LPI + (key & (FIRST_LPI - 1))


SPI_BYTES = 1024
SPI = np.dtype(
    [("level", np.uint8), ("enabled", np.uint8), ("latched", np.uint8), ("active", np.uint8), ("target", np.int32)]
)
"""One shared interrupt, as far as the guest's register writes and its line tell."""

# Configuration.
G_COUNT, G_TOTAL, G_GIC, G_VCPUS, G_LRS, G_IRQS, G_PROBED, G_SGI_SINCE = range(8)
G_DIST_BASE, G_REDIST_BASE, G_DIST_ENABLED, G_LR_LAYOUT, G_WAITING_SPIS, G_EMULATED = range(8, 14)
# Counters from here on; names and meaning in COUNTERS.
G_FIRST_COUNTER = 16

_NAMES: list[tuple[str, str, str]] = []


def _counter(group: str, name: str, text: str) -> int:
    _NAMES.append((group, name, text))
    return G_FIRST_COUNTER + len(_NAMES) - 1


N_ENTRIES = _counter("seen", "entries", "entries into the guest, placed where they were recorded")
N_EXITS = _counter("seen", "exits", "exits from the guest, placed where they were recorded")
N_MMIO = _counter("seen", "mmio", "distributor and redistributor accesses")
N_SGI = _counter("seen", "sgi", "ICC_SGI1R_EL1 writes with their value")
N_INJECT = _counter("seen", "lines", "line changes")
N_WFI = _counter("seen", "wfi", "WFI exits: a query for pending interrupts each")
N_MSIS = _counter("seen", "msis", "MSIs")
N_GUEST = _counter("seen", "guest", "guest accesses to its CPU interface")
N_LR_ACKS = _counter("inferred", "acks_from_lrs", "acknowledgements that follow from list registers at entry and exit")
N_LR_EOIS = _counter("inferred", "eois_from_lrs", "completions that follow from list registers at entry and exit")
N_ASSUMED_ACKS = _counter("inferred", "acks_assumed", "acknowledgements assumed: no probe shows them")
N_ASSUMED_EOIS = _counter("inferred", "eois_assumed", "completions assumed: no probe shows them")
N_TIMER_FALLS = _counter(
    "inferred", "timer_falls", "falling timer lines: the guest took the interrupt, set the timer anew"
)
N_MAPS = _counter("inferred", "maps", "timer interrupts forwarded at creation")
N_PHYS = _counter("inferred", "phys", "changes of the physical timer interrupt's active state by the host")
N_SET_UP = _counter("inferred", "set_up", "operations that set the guest's interface up (priority mask, enables)")
N_MSI_MAPPED = _counter(
    "inferred", "msi_mapped", "operations that map, route or enable what MSIs go to: no recording has the commands"
)
N_SGI_GUESSED = _counter("inferred", "sgi_guessed", "SGI writes without a recorded value: one SGI 0 to the next vCPU")
N_PLACED = _counter("inferred", "exits_placed", "exits and entries around an access or a kick (an emulator has none)")
N_SPURIOUS_EOIS = _counter("inferred", "spurious_eois", "completions of acknowledgements that came back spurious")
N_BEFORE = _counter("inferred", "before_window", "operations that bring the GIC to its state at the window's start")
N_EPILOGUE = _counter("inferred", "epilogue", "operations of the epilogue")
N_REPAIRED = _counter("inferred", "repaired", "missing exits and entries (lost events) put in to keep the order")
N_UNCHANGED = _counter("dropped", "unchanged", "re-assertions of an unchanged line level")
N_TIMER_STATES = _counter("dropped", "timer_states", "timer states: they tell whether the guest took its interrupt")
N_SAME = _counter("dropped", "told_twice", "events that a probe told of already (kvm_entry, kvm_exit, SGI traps)")
N_ABORTED = _counter("dropped", "aborted_entry", "list register snapshots of entries given up before the guest ran")
N_LPI = _counter("dropped", "lpi", "list register changes of LPIs")
N_MSI = _counter("dropped", "msi", "MSIs that there was no room for, or whose device and event were not recorded")
N_FOREIGN = _counter("dropped", "other_mmio", "MMIO outside the distributor and redistributors (devices, ITS, v2m)")
N_ILLEGAL = _counter("dropped", "illegal", "accesses that the trace format has no form for (unaligned, too far)")
N_NO_VCPU = _counter("dropped", "no_vcpu", "events of threads that are no vCPU of this VM")
N_OTHER_SGI = _counter("dropped", "other_sgi", "ICC_SGI0R_EL1 and ICC_ASGI1R_EL1 writes")
N_RANGE = _counter("dropped", "intid_range", "line changes of INTIDs beyond the configuration")
N_LR_SKIPPED = _counter("dropped", "lr_unmatched", "list register changes that no acknowledge or completion explains")
COUNTERS = tuple(_NAMES)
"""(group, name, text) of each counter, in order from G_FIRST_COUNTER.

Seen and inferred together are the operations. Seen, dropped and `sgi_guessed` are the events of the recording; only
`lpi` and `lr_unmatched` count list registers, not events.
"""
G_SIZE = G_FIRST_COUNTER + len(_NAMES)

ROOM = 512
"""Operations that one event may need at most; a placement stops when `ops` has less room left."""


@jit
def emit(ops: Any, g: Any, kind: Any, vcpu: Any, a: Any, b: Any) -> Any:
    """Append an operation and return its number in the whole trace."""
    op = ops[g[G_COUNT]]
    op.kind = kind
    op.vcpu = vcpu
    op.a = a
    op.b = b
    op.c = 0
    op.value = U64(0)
    op.ref = 0
    op.line = 0
    g[G_COUNT] += 1
    g[G_TOTAL] += 1
    return g[G_TOTAL]


@jit
def emit_value(ops: Any, g: Any, kind: Any, vcpu: Any, value: Any, ref: Any) -> Any:
    """Append an operation with a VALUE, a number or (ref > 0) what operation `ref` returned."""
    number = emit(ops, g, kind, vcpu, 0, 0)
    op = ops[g[G_COUNT] - 1]
    op.value = U64(0) if ref > 0 else value
    op.ref = ref
    return number


@jit
def sample_timer(ops: Any, g: Any, cpus: Any, vcpu: Any) -> None:
    """Tell the VGIC the timer line's level when it has changed since."""
    cpu = cpus[vcpu]
    if cpu.line != cpu.told:
        emit(ops, g, INJECTM, vcpu, TIMER, cpu.line)
        cpu.told = cpu.line
        # An emulator's log has every change, KVM's trace not the falls.
        g[N_INJECT if g[G_EMULATED] != 0 else N_TIMER_FALLS] += 1


@jit
def leave(ops: Any, g: Any, cpus: Any, vcpu: Any) -> None:
    """The vCPU leaves the guest."""
    sample_timer(ops, g, cpus, vcpu)
    emit(ops, g, SYNC, vcpu, 0, 0)
    cpus[vcpu].in_guest = 0


@jit
def physical_timer(vcpu: Any) -> Any:
    """Return the physical INTID behind a vCPU's timer, one each for 32 vCPUs (1019 is the last there is)."""
    return TIMER + 32 * (vcpu & 31)


@jit
def enter(ops: Any, g: Any, cpus: Any, vcpu: Any) -> Any:
    """The vCPU enters the guest; return the flush's number."""
    sample_timer(ops, g, cpus, vcpu)
    cpu = cpus[vcpu]
    wanted = 1 if cpu.line != 0 or cpu.active != 0 else 0
    if wanted != cpu.physical:
        emit(ops, g, PHYS, 0, physical_timer(vcpu), wanted)
        cpu.physical = wanted
        g[N_PHYS] += 1
    cpu.in_guest = 1
    return emit(ops, g, FLUSH, vcpu, 0, 0)


@jit
def map_timers(ops: Any, g: Any, first: Any) -> Any:
    """Forward the timers of the vCPUs from `first` on; return the first vCPU not done (`ops` is full)."""
    vcpu = first
    while vcpu < g[G_VCPUS] and g[G_COUNT] < ops.shape[0] - ROOM:
        emit(ops, g, MAP, vcpu, TIMER, physical_timer(vcpu))
        g[N_MAPS] += 1
        vcpu += 1
    return vcpu


@jit
def legal_access(g: Any, region: Any, offset: Any, size: Any) -> Any:
    """Return whether the trace format has a form for this access."""
    if size != 1 and size != 2 and size != 4 and size != 8:
        return False
    if region == -2:
        frame = 0x20000
    elif region >= 0:
        frame = 0x20000
        if g[G_GIC] != 3 or region >= g[G_VCPUS]:
            return False
    else:
        frame = 0x1000 if g[G_GIC] == 2 else 0x10000
    return offset >= 0 and (offset & (size - 1)) == 0 and offset + size <= frame


@jit
def access(ops: Any, g: Any, vcpu: Any, write: Any, region: Any, offset: Any, size: Any, value: Any) -> None:
    """Append a distributor or redistributor access. A load keeps the value that was recorded, to be compared."""
    kind = MMIO_W if write else MMIO_R
    emit(ops, g, kind, vcpu, region, offset)
    op = ops[g[G_COUNT] - 1]
    op.c = size
    if size < 8:
        value = value & ((U64(1) << U64(8 * size)) - U64(1))
    op.value = value
    g[N_MMIO] += 1


@jit
def epilogue(ops: Any, g: Any, cpus: Any, first: Any) -> Any:
    """Append the epilogue for the vCPUs from `first` on (-1: start it); return the next, vcpus when it is complete."""
    before = g[G_TOTAL] - g[N_INJECT] - g[N_TIMER_FALLS]
    if first < 0:
        for vcpu in range(g[G_VCPUS]):
            g[N_REPAIRED] += cpus[vcpu].left
            if cpus[vcpu].in_guest:
                leave(ops, g, cpus, vcpu)
            elif cpus[vcpu].line != cpus[vcpu].told and g[G_EMULATED] != 0:
                g[N_UNCHANGED] += 1
        first = 0
    vcpu = first
    while vcpu < g[G_VCPUS] and g[G_COUNT] < ops.shape[0] - ROOM:
        emit(ops, g, PENDING, vcpu, 0, 0)
        emit(ops, g, FLUSH, vcpu, 0, 0)
        for _ in range(g[G_LRS]):
            number = emit(ops, g, ACK, vcpu, 0, 0)
            emit_value(ops, g, EOI, vcpu, U64(0), number)
        emit(ops, g, SYNC, vcpu, 0, 0)
        vcpu += 1
    g[N_EPILOGUE] += g[G_TOTAL] - g[N_INJECT] - g[N_TIMER_FALLS] - before
    return vcpu


@jit
def set_interface(ops: Any, g: Any, cpus: Any, vcpu: Any) -> None:
    """Enter for a moment in which the guest sets its CPU interface up."""
    cpu = cpus[vcpu]
    cpu.set_up_from = emit(ops, g, FLUSH, vcpu, 0, 0)
    emit(ops, g, PMR, vcpu, cpu.set_pmr, 0)
    emit(ops, g, CTLR, vcpu, cpu.set_control, 0)
    emit(ops, g, BPR, vcpu, cpu.set_bpr, 0)
    cpu.set_up_to = emit(ops, g, SYNC, vcpu, 0, 0)
    g[N_SET_UP] += cpu.set_up_to - cpu.set_up_from + 1


def window_opens(g: np.ndarray) -> None:
    """Count all operations so far, the set-up but for what was invented, as before_window."""
    for number, (group, name, _) in enumerate(COUNTERS, G_FIRST_COUNTER):
        if group != "dropped" and name not in ("maps", "set_up", "before_window"):
            g[N_BEFORE] += g[number]
            g[number] = 0


def new_state(gic: int, vcpus: int, irqs: int, lrs: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return (cpus, spis, g, refs) of a conversion that starts."""
    cpus = np.zeros(vcpus, CPU).view(np.recarray)
    spis = np.zeros(SPI_BYTES, SPI).view(np.recarray)
    g = np.zeros(G_SIZE, np.int64)
    g[G_GIC], g[G_VCPUS], g[G_IRQS], g[G_LRS] = gic, vcpus, irqs, lrs
    cpus["set_pmr"] = 0xF0
    cpus["set_control"] = 1 if gic == 2 else 2
    cpus["set_bpr"] = 2 if gic == 2 else 3
    cpus["control"] = 0 if gic == 2 else 2
    cpus["state"] = -1
    # SGIs are enabled at reset, in KVM and in QEMU's GICv2.
    cpus["enabled"] = 0xFFFF
    return cpus, spis, g, np.zeros((vcpus, ACK_KEYS), np.int64)


def new_ops(rows: int) -> np.ndarray:
    """Return an empty buffer of operations."""
    return np.zeros(rows, OP).view(np.recarray)
