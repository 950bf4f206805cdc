# SPDX-License-Identifier: GPL-2.0-only
"""What readers of recordings produce: one record per event that concerns a virtual interrupt controller.

Readers drop what does not (page faults, debug registers); placement (place_kvm, place_qemu) never sees text.
"""

import numpy as np

EVENT = np.dtype(
    [
        ("time", np.int64),
        ("kind", np.int32),
        ("thread", np.int32),
        ("vcpu", np.int32),
        ("n", np.int32),
        ("a", np.uint64),
        ("b", np.uint64),
        ("c", np.uint64),
        ("d", np.uint64),
    ]
)
"""One event. `time`: ns; `thread`: index into the reader's thread table (-1: none); `vcpu`: the vCPU that the event
itself names (-1: it names none, the thread says); `n`, `a`..`d`: see the kinds below."""

# KVM's trace events and the four probes.
ENTRY = 1
"""kvm_entry: b whether its thread has returned to user space since its latest exit."""
EXIT = 2
"""kvm_exit: a exception class of the trap (ESR_EL2.EC), EXIT_INTERRUPT or EXIT_UNKNOWN."""
LINE = 3
"""vgic_update_irq_pending: a INTID, b level."""
GPA_READ = 4
"""kvm_mmio read with its value: a guest physical address, b size, c value."""
GPA_WRITE = 5
"""kvm_mmio write: as GPA_READ."""
SGI_TRAP = 6
"""kvm_sys_access of ICC_SGI1R_EL1: the value is not in the event."""
WFI = 7
"""kvm_wfx_arm64, WFI."""
LR_ENTRY = 8
"""Probe vgic_lr_entry: n list registers follow in LRS events, a used, b HCR, c VMCR."""
LR_EXIT = 9
"""Probe vgic_lr_exit: as LR_ENTRY."""
LRS = 10
"""Up to four list registers (a..d), n of them, of the LR_ENTRY or LR_EXIT before."""
SGI_VALUE = 11
"""Probe vgic_sgi1r: a the value written."""
MSI = 12
"""Probe vgic_msi: a device id, b data (its event), c lower half of the address, n 1 when the first two are there."""
LOST = 13
"""The recorder lost events: a how many (0: unknown)."""
OTHER_SGI = 14
"""kvm_sys_access of ICC_SGI0R_EL1 or ICC_ASGI1R_EL1."""

# A guest's accesses as an emulator logged them.
FRAME_READ = 20
"""Distributor or redistributor load: n -1 distributor, else the redistributor's vCPU; a offset, b size, c value."""
FRAME_WRITE = 21
"""Store: as FRAME_READ."""
Q_LINE = 22
"""A line changed: a INTID, b level; vcpu -1 for an SPI."""
Q_ACK = 23
"""IAR read: a the value returned."""
Q_EOI = 24
"""EOIR written: a value."""
Q_DIR = 25
"""DIR written: a value."""
Q_PMR = 26
"""PMR written: a value."""
Q_CONTROL = 27
"""GICC_CTLR written: a value, bits as the trace format packs them."""
Q_BPR = 28
"""The binary point of the guest's group written: a value."""
Q_ICC_CONTROL = 29
"""ICC_CTLR_EL1 written: a value (EOImode is bit 1)."""
Q_GROUP1 = 30
"""ICC_IGRPEN1_EL1 written: a value."""
Q_SGI1R = 31
"""ICC_SGI1R_EL1 written: a value."""

Q_EXIT = 32
"""An exit for a reason that is none of the GIC's."""

TIMER_MAP = 15
"""kvm_get_timer_map: a vCPU. For readers only: it tells which vCPU a thread is, and goes no further."""

TIMER_STATE = 16
"""kvm_timer_save_state or kvm_timer_restore_state of the virtual timer: a CTL, b CVAL, d number of the event among its
kind (see timer_states)."""

USER_EXIT = 17
"""kvm_userspace_exit. For readers only: the next ENTRY says so."""

EXIT_INTERRUPT, EXIT_UNKNOWN = 64, 65
"""Exits that are no trap, beside the 64 exception classes: by an interrupt; for a reason that was not printed."""

ONLY_ARM = (LINE, SGI_TRAP, WFI, LR_ENTRY, LR_EXIT, SGI_VALUE, MSI, OTHER_SGI, TIMER_STATE)
"""Kinds of KVM events that no other architecture has."""

NO_REGION = -1
