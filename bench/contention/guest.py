# SPDX-License-Identifier: GPL-2.0-only
"""The guest's part between an entry and an exit, done on the software image: no world switch is in any figure.

What a guest does to list registers (acknowledge, end of interrupt) belongs to the hardware and is the same for every
design; a real one takes tens of ns, most of them waiting for the interface. Here it is a search of the image's list
registers and a store, so that what a body costs is the design. `settle` gives the status registers that the design's
sync asks for.
"""

from typing import Any

from kvmarm.gic import HCR_UIE, LR_STATE_MASK, SPURIOUS, V2_LR_STATE_SHIFT, V3_LR_STATE_SHIFT
from kvmarm.jit import U64, U64_0, U64_1, jit
from kvmarm.lr import eisr_of, elrsr_of, lr_has_eoi, lr_intid, lr_state, misr_of


@jit
def _with_state(gic: Any, lr: Any, state: Any) -> Any:
    shift = U64(V2_LR_STATE_SHIFT) if gic == 2 else U64(V3_LR_STATE_SHIFT)
    return lr & ~(U64(LR_STATE_MASK) << shift) | U64(state) << shift


@jit
def acknowledge(vm: Any, image: Any) -> Any:
    """Make the first pending list register of an image active; return its INTID (int64), SPURIOUS for none."""
    for index in range(vm.lrs):
        lr = image.lr[index]
        if lr_state(vm.gic, lr) == 1:
            image.lr[index] = _with_state(vm.gic, lr, 2)
            return lr_intid(vm.gic, lr)
    return SPURIOUS


@jit
def end_of_interrupt(vm: Any, image: Any, intid: Any) -> None:
    """End the active list register of an INTID: inactive, or pending when it was that too."""
    for index in range(vm.lrs):
        lr = image.lr[index]
        state = lr_state(vm.gic, lr)
        if state >= 2 and lr_intid(vm.gic, lr) == intid:
            image.lr[index] = _with_state(vm.gic, lr, state - 2)
            if state == 2:
                if lr_has_eoi(vm.gic, lr):
                    image.misr = U64_1
                else:
                    image.elrsr |= U64_1 << U64(index)
            return


@jit
def settle(vm: Any, image: Any) -> None:
    """Bring an image's status registers to what the list registers say, where a maintenance interrupt may be due."""
    if image.misr != U64_0 or image.hcr & U64(HCR_UIE) != U64_0:
        image.eisr = eisr_of(image.lr, vm.lrs, vm.gic)
        image.elrsr = elrsr_of(image.lr, vm.lrs, vm.gic)
        image.misr = misr_of(image.lr, vm.lrs, vm.gic, image.hcr, image.eisr)
