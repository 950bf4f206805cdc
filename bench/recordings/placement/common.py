# SPDX-License-Identifier: GPL-2.0-only
"""What both placements share: the state of a conversion and the steps that emit operations.

Rules, the same for every source:

- A vCPU is in the guest except at exits. An exit is `sync` … `flush`.
- The virtual timer (INTID 27) is forwarded (`map` V 27 to 27 + 32 V). Its line is sampled just before a sync and just
  before a flush: `injectm` when it differs from what was told last. At a flush the host makes the physical interrupt
  active while the line is high or the interrupt is active, and inactive otherwise: `phys` when that is a change.
- The end (epilogue): every vCPU leaves the guest; then each in turn is asked for what is pending, enters, acknowledges
  and completes as often as it has list registers, and leaves: what is still deliverable shows.

State: one record of STATE, `state` everywhere; operations go to its `ops`.
"""

from typing import Any

import numpy as np

from kvmarm.config import MAX_VCPUS
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
    """Return where in `acked_by` an interrupt is: LPIs behind the others."""
    return key if key < FIRST_LPI else FIRST_LPI + (key & (FIRST_LPI - 1))


SPI_BYTES = 1024
SPI = np.dtype(
    [("level", np.uint8), ("enabled", np.uint8), ("latched", np.uint8), ("active", np.uint8), ("target", np.int32)]
)
"""One shared interrupt, as far as the guest's register writes and its line tell."""

COUNTERS = (
    ("seen", "entries", "entries into the guest, placed where they were recorded"),
    ("seen", "exits", "exits from the guest, placed where they were recorded"),
    ("seen", "mmio", "distributor and redistributor accesses"),
    ("seen", "sgi", "ICC_SGI1R_EL1 writes with their value"),
    ("seen", "lines", "line changes"),
    ("seen", "wfi", "WFI exits: a query for pending interrupts each"),
    ("seen", "msis", "MSIs"),
    ("seen", "guest", "guest accesses to its CPU interface"),
    ("inferred", "acks_from_lrs", "acknowledgements that follow from list registers at entry and exit"),
    ("inferred", "eois_from_lrs", "completions that follow from list registers at entry and exit"),
    ("inferred", "acks_assumed", "acknowledgements assumed: no probe shows them"),
    ("inferred", "eois_assumed", "completions assumed: no probe shows them"),
    ("inferred", "timer_falls", "falling timer lines: the guest took the interrupt and set the timer again"),
    ("inferred", "maps", "timer interrupts forwarded at creation"),
    ("inferred", "phys", "changes of the physical timer interrupt's active state by the host"),
    ("inferred", "set_up", "operations that set the guest's interface up (priority mask, enables)"),
    (
        "inferred",
        "msi_mapped",
        "operations that map, route or enable what MSIs go to: no recording has the commands",
    ),
    ("inferred", "sgi_guessed", "SGI writes without a recorded value: one SGI 0 to the next vCPU"),
    ("inferred", "exits_placed", "exits and entries around an access or a kick (an emulator has none)"),
    ("inferred", "spurious_eois", "completions of acknowledgements that came back spurious"),
    ("inferred", "before_window", "operations that bring the GIC to its state at the window's start"),
    ("inferred", "epilogue", "operations of the epilogue"),
    ("inferred", "repaired", "missing exits and entries (lost events) put in to keep the order"),
    ("dropped", "unchanged", "re-assertions of an unchanged line level"),
    ("dropped", "timer_states", "timer states: they tell whether the guest took its interrupt"),
    ("dropped", "told_twice", "events that a probe told of already (kvm_entry, kvm_exit, SGI traps)"),
    ("dropped", "aborted_entry", "list register snapshots of entries given up before the guest ran"),
    ("dropped", "lpi", "list register changes of LPIs"),
    ("dropped", "msi", "MSIs that there was no room for, or whose device and event were not recorded"),
    ("dropped", "other_mmio", "MMIO outside the distributor and redistributors (devices, ITS, v2m)"),
    ("dropped", "illegal", "accesses that the trace format has no form for (unaligned, too far)"),
    ("dropped", "no_vcpu", "events of threads that are no vCPU of this VM"),
    ("dropped", "other_sgi", "ICC_SGI0R_EL1 and ICC_ASGI1R_EL1 writes"),
    ("dropped", "intid_range", "line changes of INTIDs beyond the configuration"),
    ("dropped", "lr_unmatched", "list register changes that no acknowledge or completion explains"),
)
"""(group, name, text) of each counter, `n_NAME` in the state.

Seen and inferred together are the operations. Seen, dropped and `sgi_guessed` are the events of the recording; only
`lpi` and `lr_unmatched` count list registers, not events. A new kind of event needs a counter here, its operation in
the placement that knows it, and its number of operations below ROOM.
"""

OPS = 1 << 16
"""Operations that a state holds: the most of one chunk."""
EXPECTED = np.dtype([("op", np.int64), ("vcpu", np.int64), ("n", np.int64), ("lr", np.uint64, (MAX_RECORDED_LRS,))])
"""List registers that a probe recorded at the entry which operation `op` (a flush) represents; raw, `n` of them."""
MOST_EXPECTED = OPS // 4

STATE = np.dtype(
    [
        ("gic", np.int64),
        ("vcpus", np.int64),
        ("irqs", np.int64),
        ("lrs", np.int64),
        ("emulated", np.int64),
        ("probed", np.int64),
        ("sgi_since", np.int64),
        ("distributor", np.int64),
        ("redistributors", np.int64),
        ("lr_layout", np.int64),
        ("distributor_on", np.int64),
        ("waiting_spis", np.int64),
        ("total", np.int64),
        ("count", np.int64),
        ("found", np.int64),
        *[(f"n_{name}", np.int64) for _, name, _ in COUNTERS],
        ("cpu", CPU, (MAX_VCPUS,)),
        ("spi", SPI, (SPI_BYTES,)),
        ("acked_by", np.int64, (MAX_VCPUS, ACK_KEYS)),
        ("ops", OP, (OPS,)),
        ("expected", EXPECTED, (MOST_EXPECTED,)),
    ]
)
"""A conversion: one record, which every placement function takes.

`gic`, `vcpus`, `irqs`, `lrs`: the VM. `emulated`: an emulator's log, which has every change; `probed`: list registers
are recorded, in `lr_layout` 2 or 3; `sgi_since`: time from which SGI values are; `distributor`, `redistributors`: their
addresses, -1 unknown. `distributor_on`, `waiting_spis`: as the guest's writes tell, SPIs pending without a line.
`total`: operations so far; of them `count` are in `ops`, and `found` list registers in `expected`. `acked_by`: number
of the operation that acknowledged an interrupt, by vCPU and key. `cpu`, `spi`: one record each.
"""

ROOM = 512
"""Operations that one event may need at most; a placement stops when `ops` has less room left."""


@jit
def emit(state: Any, kind: Any, vcpu: Any, a: Any, b: Any) -> Any:
    """Append an operation and return its number in the whole trace."""
    op = state.ops[state.count]
    op.kind = kind
    op.vcpu = vcpu
    op.a = a
    op.b = b
    op.c = 0
    op.value = U64(0)
    op.ref = 0
    op.line = 0
    state.count += 1
    state.total += 1
    return state.total


@jit
def emit_value(state: Any, kind: Any, vcpu: Any, value: Any, ref: Any) -> Any:
    """Append an operation with a VALUE, a number or (ref > 0) what operation `ref` returned."""
    number = emit(state, kind, vcpu, 0, 0)
    op = state.ops[state.count - 1]
    op.value = U64(0) if ref > 0 else value
    op.ref = ref
    return number


@jit
def sample_timer(state: Any, vcpu: Any) -> None:
    """Tell the VGIC the timer line's level when it has changed since."""
    cpu = state.cpu[vcpu]
    if cpu.line != cpu.told:
        emit(state, INJECTM, vcpu, TIMER, cpu.line)
        cpu.told = cpu.line
        # An emulator's log has every change, KVM's trace not the falls.
        if state.emulated != 0:
            state.n_lines += 1
        else:
            state.n_timer_falls += 1


@jit
def leave(state: Any, vcpu: Any) -> None:
    """The vCPU leaves the guest."""
    sample_timer(state, vcpu)
    emit(state, SYNC, vcpu, 0, 0)
    state.cpu[vcpu].in_guest = 0


@jit
def physical_timer(vcpu: Any) -> Any:
    """Return the physical INTID behind a vCPU's timer, one each for 32 vCPUs (1019 is the last there is)."""
    return TIMER + 32 * (vcpu & 31)


@jit
def enter(state: Any, vcpu: Any) -> Any:
    """The vCPU enters the guest; return the flush's number."""
    sample_timer(state, vcpu)
    cpu = state.cpu[vcpu]
    wanted = 1 if cpu.line != 0 or cpu.active != 0 else 0
    if wanted != cpu.physical:
        emit(state, PHYS, 0, physical_timer(vcpu), wanted)
        cpu.physical = wanted
        state.n_phys += 1
    cpu.in_guest = 1
    return emit(state, FLUSH, vcpu, 0, 0)


@jit
def map_timers(state: Any, first: Any) -> Any:
    """Forward the timers of the vCPUs from `first` on; return the first vCPU not done (`ops` is full)."""
    vcpu = first
    while vcpu < state.vcpus and state.count < OPS - ROOM:
        emit(state, MAP, vcpu, TIMER, physical_timer(vcpu))
        state.n_maps += 1
        vcpu += 1
    return vcpu


@jit
def legal_access(state: Any, region: Any, offset: Any, size: Any) -> Any:
    """Return whether the trace format has a form for this access."""
    if size != 1 and size != 2 and size != 4 and size != 8:
        return False
    if region == -2:
        frame = 0x20000
    elif region >= 0:
        frame = 0x20000
        if state.gic != 3 or region >= state.vcpus:
            return False
    else:
        frame = 0x1000 if state.gic == 2 else 0x10000
    return offset >= 0 and (offset & (size - 1)) == 0 and offset + size <= frame


@jit
def access(state: Any, vcpu: Any, write: Any, region: Any, offset: Any, size: Any, value: Any) -> None:
    """Append a distributor or redistributor access. A load keeps the value that was recorded, to be compared."""
    kind = MMIO_W if write else MMIO_R
    emit(state, kind, vcpu, region, offset)
    op = state.ops[state.count - 1]
    op.c = size
    if size < 8:
        value = value & ((U64(1) << U64(8 * size)) - U64(1))
    op.value = value
    state.n_mmio += 1


@jit
def epilogue(state: Any, first: Any) -> Any:
    """Append the epilogue for the vCPUs from `first` on (-1: start it); return the next, vcpus when it is complete."""
    before = state.total - state.n_lines - state.n_timer_falls
    if first < 0:
        for vcpu in range(state.vcpus):
            state.n_repaired += state.cpu[vcpu].left
            if state.cpu[vcpu].in_guest:
                leave(state, vcpu)
            elif state.cpu[vcpu].line != state.cpu[vcpu].told and state.emulated != 0:
                state.n_unchanged += 1
        first = 0
    vcpu = first
    while vcpu < state.vcpus and state.count < OPS - ROOM:
        emit(state, PENDING, vcpu, 0, 0)
        emit(state, FLUSH, vcpu, 0, 0)
        for _ in range(state.lrs):
            number = emit(state, ACK, vcpu, 0, 0)
            emit_value(state, EOI, vcpu, U64(0), number)
        emit(state, SYNC, vcpu, 0, 0)
        vcpu += 1
    state.n_epilogue += state.total - state.n_lines - state.n_timer_falls - before
    return vcpu


@jit
def set_interface(state: Any, vcpu: Any) -> None:
    """Enter for a moment in which the guest sets its CPU interface up."""
    cpu = state.cpu[vcpu]
    cpu.set_up_from = emit(state, FLUSH, vcpu, 0, 0)
    emit(state, PMR, vcpu, cpu.set_pmr, 0)
    emit(state, CTLR, vcpu, cpu.set_control, 0)
    emit(state, BPR, vcpu, cpu.set_bpr, 0)
    cpu.set_up_to = emit(state, SYNC, vcpu, 0, 0)
    state.n_set_up += cpu.set_up_to - cpu.set_up_from + 1


def window_opens(state: Any) -> None:
    """Count all operations so far, the set-up but for what was invented, as before_window."""
    for group, name, _ in COUNTERS:
        if group != "dropped" and name not in ("maps", "set_up", "before_window"):
            state.n_before_window += state[f"n_{name}"]
            state[f"n_{name}"] = 0


def new_state(gic: int, vcpus: int, irqs: int, lrs: int) -> Any:
    """Return the state (a record of STATE) of a conversion that starts."""
    state: Any = np.zeros(1, STATE).view(np.recarray)[0]
    state.gic, state.vcpus, state.irqs, state.lrs = gic, vcpus, irqs, lrs
    state.distributor = state.redistributors = -1
    state.lr_layout = 3
    cpu = state.cpu
    cpu["set_pmr"] = 0xF0
    cpu["set_control"] = 1 if gic == 2 else 2
    cpu["set_bpr"] = 2 if gic == 2 else 3
    cpu["control"] = 0 if gic == 2 else 2
    cpu["state"] = -1
    # SGIs are enabled at reset, in KVM and in QEMU's GICv2.
    cpu["enabled"] = 0xFFFF
    return state
