# SPDX-License-Identifier: GPL-2.0-only
"""What the state record of every VGIC model starts with: the configuration, and the software interface images.

One VM's state is one NumPy structured record, a C struct in effect: jitted functions take it as one pointer. Capacities
are fixed (kvmarm.config), so that one compilation serves every configuration; the memory is zero-filled by the
operating system on first touch, so that unused capacity costs nothing.

The image is what the hypervisor keeps of a vCPU's virtual CPU interface while the vCPU is out of the guest. Source:
struct vgic_v2_cpu_if and vgic_v3_cpu_if in include/kvm/arm_vgic.h. The world switch loads it into the hardware and
saves the hardware into it.

Rules: what a single vCPU's thread writes shares no cache lines with anything else (kvmarm.layout); nor does what all
read and nobody writes. What the caller of an operation gets to know of it, its kicks, goes to the caller's own record.
"""

from typing import Any

import numpy as np

from kvmarm import events
from kvmarm.config import MAX_KICKS, MAX_LRS, MAX_VCPUS, VmConfig
from kvmarm.debug import checked
from kvmarm.guest_memory import attach
from kvmarm.jit import DEBUG, jit
from kvmarm.layout import aligned_record, laid_out

IMAGE = laid_out(
    [
        ("lr", np.uint64, (MAX_LRS,)),
        ("hcr", np.uint64),
        ("misr", np.uint64),
        ("eisr", np.uint64),
        ("elrsr", np.uint64),
        ("apr", np.uint64),
        ("pmr", np.int64),
        ("ctlr", np.int64),
        ("bpr", np.int64),
        ("live_lrs", np.uint64),
    ]
)
"""Software image of one vCPU's interface. `lr`: raw list registers (GICH_LR or ICH_LR_EL2 layout); `pmr`, `ctlr`,
`bpr`: the fields of VMCR; `apr`: one bit per group priority; `live_lrs`: kept by a world switch that tracks them."""

HEADER: list[tuple[Any, ...]] = [
    ("gic", np.int64),
    ("vcpus", np.int64),
    ("irqs", np.int64),
    ("lrs", np.int64),
    ("bug", np.int64),
    ("its", np.int64),
    ("ram", np.uint64),
]
"""First fields of every VM record, read by all and written by nobody while it lives. `bug`: 0, or the number of the
BUG_ON that the model hit, or of the model's limit (the design names both); `its`: 1 when the VM has an ITS; `ram`:
where its guest memory lies (kvmarm.guest_memory)."""


_SOURCES = "sources_"
_WITH_ITS = "with_its"


def its_by_type(vm_type: Any) -> bool:
    """Return whether a VM record's type (numba's, or a NumPy dtype) is that of VMs with an ITS; for overloads."""
    return _WITH_ITS in vm_type.fields


def vm_dtype(
    marker: str, fields: list[tuple[Any, ...]], apart: tuple[str, ...] = (), its: bool = False
) -> np.dtype[Any]:
    """Return the dtype of a model's VM record: the marker field (selects the design), HEADER, `fields`, the images.

    apart: names of the fields that start at cache lines of their own; those before the first of them lie with HEADER,
    so they should be written seldom. its: the dtype is that of VMs with an ITS, a type apart: without one nothing of it
    is stored or compiled.
    """
    markers = [f"design_{marker}", _SOURCES] + [_WITH_ITS] * its
    named = [(name, np.int64) for name in markers]
    return laid_out([*named, *HEADER, *fields, ("image", IMAGE, (MAX_VCPUS,))], (*apart, "image"))


def with_sources(dtype: np.dtype[Any], sources: str) -> np.dtype[Any]:
    """Return the dtype of a VM record whose field `sources_…`, without content, is named by a hash of the sources.

    Code compiled for an earlier version of the design is so never taken for this one's.
    """
    assert dtype.fields is not None
    entries = dtype.fields.items()
    described: Any = {
        "names": [_SOURCES + sources if name.startswith(_SOURCES) else name for name, _ in entries],
        "formats": [entry[0] for _, entry in entries],
        "offsets": [entry[1] for _, entry in entries],
        "itemsize": dtype.itemsize,
    }
    return np.dtype(described, align=dtype.isalignedstruct)


def new_vm(dtype: np.dtype[Any], config: VmConfig) -> Any:
    """Return a zeroed VM record (numpy.record) of `dtype` with the configuration filled in."""
    vm = aligned_record(dtype)
    if DEBUG:
        vm = checked(vm)
    vm.gic, vm.vcpus, vm.irqs, vm.lrs, vm.its = config.gic, config.vcpus, config.irqs, config.lrs, config.its
    if config.its:
        attach(vm)
    return vm


@jit
def kick(vm: Any, vcpu: Any, observer: Any) -> None:
    """Record a kvm_vcpu_kick of `vcpu` (int) in the caller's record; nothing for the observer None.

    `observer.kicks[:observer.kick_count]` are those since the caller last set the number to 0. Who never does finds
    the latest MAX_KICKS there.
    """
    events.count(observer, events.KICK, 1)
    if observer is not None:
        observer.kicks[observer.kick_count & (MAX_KICKS - 1)] = vcpu
        observer.kick_count += 1
