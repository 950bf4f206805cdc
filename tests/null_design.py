# SPDX-License-Identifier: GPL-2.0-only
"""The smallest design there can be: it delivers nothing. What the author of a third design starts from."""

from typing import Any

import numpy as np

from kvmarm import events
from kvmarm.design import Design
from kvmarm.gic import HCR_EN
from kvmarm.interface import EINVAL
from kvmarm.jit import U64, U64_0, jit
from kvmarm.state import kick, vm_dtype

NULL_VM = vm_dtype("null", [("injected", np.int64)])


def initialise(vm: Any) -> None:
    """Turn every interface on."""
    vm.image["hcr"][: vm.vcpus] = HCR_EN


@jit
def inject(vm: Any, vcpu: Any, intid: Any, level: Any, observer: Any) -> Any:
    """Count the injection and kick the vCPU."""
    events.count(observer, events.CALL_INJECT, 1)
    if intid >= vm.irqs:
        return EINVAL
    vm.injected += level
    kick(vm, vcpu, observer)
    return 0


@jit
def map_phys(vm: Any, vcpu: Any, vintid: Any, pintid: Any, observer: Any) -> Any:
    """Refuse: nothing is forwarded."""
    return EINVAL


@jit
def unmap_phys(vm: Any, vcpu: Any, vintid: Any, observer: Any) -> Any:
    """Refuse: nothing is forwarded."""
    return EINVAL


@jit
def inject_mapped(vm: Any, vcpu: Any, vintid: Any, level: Any, observer: Any) -> Any:
    """Refuse: nothing is forwarded."""
    return EINVAL


@jit
def mmio_read(vm: Any, vcpu: Any, region: Any, offset: Any, size: Any, observer: Any) -> Any:
    """Handle nothing."""
    return 0, U64_0


@jit
def mmio_write(vm: Any, vcpu: Any, region: Any, offset: Any, size: Any, value: Any, observer: Any) -> Any:
    """Handle nothing."""
    return 0


@jit
def send_sgi(vm: Any, vcpu: Any, value: Any, observer: Any) -> None:
    """Drop the SGI."""


@jit
def flush(vm: Any, vcpu: Any, observer: Any) -> None:
    """Leave the list registers empty."""
    events.count(observer, events.CALL_FLUSH, 1)


@jit
def restore(vm: Any, vcpu: Any, cpuif: Any, observer: Any) -> None:
    """Load HCR only."""
    cpuif.hcr = vm.image[vcpu].hcr


@jit
def save(vm: Any, vcpu: Any, cpuif: Any, observer: Any) -> None:
    """Report every list register empty."""
    vm.image[vcpu].elrsr = (U64(1) << U64(vm.lrs)) - U64(1)


@jit
def sync(vm: Any, vcpu: Any, observer: Any) -> None:
    """Nothing to take."""


@jit
def pending(vm: Any, vcpu: Any, observer: Any) -> Any:
    """Nothing is ever pending."""
    return 0


@jit
def is_active(vm: Any, vcpu: Any, vintid: Any, observer: Any) -> Any:
    """Nothing is ever active."""
    return 0


DESIGN = Design(
    name="null",
    title="A design that delivers nothing",
    source="tests",
    dtype=NULL_VM,
    initialise=initialise,
    functions={
        function.__name__: function
        for function in (
            inject,
            map_phys,
            unmap_phys,
            inject_mapped,
            mmio_read,
            mmio_write,
            send_sgi,
            flush,
            restore,
            save,
            sync,
            pending,
            is_active,
        )
    },
)
