# SPDX-License-Identifier: GPL-2.0-only
"""What the state record of every VGIC model starts with: configuration, kicks, and the software interface image.

One VM's state is one NumPy structured record, a C struct in effect: jitted functions take it as one pointer. Capacities
are fixed (kvmarm.config), so that one compilation serves every configuration; the memory is zero-filled by the
operating system on first touch, so that unused capacity costs nothing.

The image is what the hypervisor keeps of a vCPU's virtual CPU interface while the vCPU is out of the guest
(struct vgic_v2_cpu_if / vgic_v3_cpu_if in include/kvm/arm_vgic.h): the world switch loads it into the hardware and
saves the hardware into it.
"""

from typing import Any

import numpy as np

from kvmarm import events
from kvmarm.config import MAX_KICKS, MAX_LRS, MAX_VCPUS, VmConfig
from kvmarm.debug import checked
from kvmarm.jit import DEBUG, jit, package_hash

_SOURCES = "sources_"

IMAGE = np.dtype(
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
    ],
    align=True,
)
"""Software image of one vCPU's interface. `lr`: raw list registers (GICH_LR or ICH_LR_EL2 layout); `pmr`, `ctlr`,
`bpr`: the fields of VMCR; `apr`: one bit a group priority; `live_lrs`: kept by a world switch that tracks them."""

HEADER: list[tuple[Any, ...]] = [
    ("gic", np.int64),
    ("vcpus", np.int64),
    ("irqs", np.int64),
    ("lrs", np.int64),
    ("bug", np.int64),
    ("kick_count", np.int64),
    ("kicks", np.int32, (MAX_KICKS,)),
    ("image", IMAGE, (MAX_VCPUS,)),
]
"""First fields of every VM record. `bug`: 0, or the number of the BUG_ON that the model hit (the design names them)."""


def vm_dtype(marker: str, fields: list[tuple[Any, ...]]) -> np.dtype[Any]:
    """Return the dtype of a model's VM record: the marker field (selects the design), HEADER, then `fields`."""
    return np.dtype([(f"design_{marker}", np.int64), *HEADER, *fields], align=True)


def with_sources(dtype: np.dtype[Any], package: str) -> np.dtype[Any]:
    """Return a VM record's dtype with a field that holds nothing but names, by a hash, the sources of `package`.

    So code compiled for an earlier version of a design is never taken for that of this one. The field is second; a
    dtype that has one is returned as it is.
    """
    names = list(dtype.names or ())
    if any(name.startswith(_SOURCES) for name in names):
        return dtype
    fields: list[tuple[Any, ...]] = [(name, (dtype.fields or {})[name][0]) for name in names]
    fields.insert(1, (_SOURCES + package_hash(package), np.int64))
    return np.dtype(fields, align=True)


def new_vm(dtype: np.dtype[Any], config: VmConfig) -> Any:
    """Return a zeroed VM record (numpy.record) of `dtype` with the configuration filled in."""
    vm = np.zeros(1, dtype).view(np.recarray)[0]
    if DEBUG:
        vm = checked(vm)
    vm.gic, vm.vcpus, vm.irqs, vm.lrs = config.gic, config.vcpus, config.irqs, config.lrs
    return vm


@jit
def kick(vm: Any, vcpu: Any, observer: Any) -> None:
    """Record a kvm_vcpu_kick of `vcpu` (int); `vm.kicks[:vm.kick_count]` is the list of the operation under way."""
    events.count(observer, events.KICK, 1)
    vm.kicks[vm.kick_count] = vcpu
    vm.kick_count += 1
