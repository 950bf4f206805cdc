# SPDX-License-Identifier: GPL-2.0-only
"""The vCPUs of a VM, as today's VGIC looks them up: by number in a tree, by affinity through a table.

Models: kvm_get_vcpu and kvm_for_each_vcpu (include/linux/kvm_host.h), kvm_mpidr_to_vcpu (arch/arm64/kvm/arm.c), Linux
6.18.35.

Lock order: none taken and none needed; the set of vCPUs is fixed while the VM runs.

Rules:
- Each step of a walk over all vCPUs searches the tree anew from its root.
- A vCPU that is handed in by the caller is not looked up.
"""

from typing import Any

import numpy as np

from kvmarm import events
from kvmarm.config import MAX_VCPUS
from kvmarm.jit import U64, U64_0, U64_1, bit_length, find_first_bit, jit, noinline
from kvmarm.mpidr import vcpu_affinity

NOBODY = -1
"""No vCPU, in the fields `vcpu` and `target_vcpu`."""

TREE_BITS = 6
_NODES = 1 + (MAX_VCPUS >> TREE_BITS)
VCPU_TREE = np.dtype([("height", np.int64), ("node", np.int32, (_NODES, 1 << TREE_BITS))], align=True)
"""The VM's vCPUs by number, as the kernel's xarray: nodes of 64 entries, the root first. `height`: levels of nodes, 0
for one vCPU alone. An entry is a vCPU number plus 1 at the lowest level, else the number of a node; 0 for nothing."""


def plant_tree(tree: Any, vcpus: int) -> None:
    """Fill a zeroed record of VCPU_TREE for a VM of `vcpus` vCPUs."""
    per_node = 1 << TREE_BITS
    numbers = np.arange(vcpus) + 1
    if vcpus <= per_node:
        tree.height = 0 if vcpus == 1 else 1
        tree.node[0, :vcpus] = numbers
        return
    tree.height = 2
    leaves = -(-vcpus // per_node)
    tree.node[0, :leaves] = np.arange(leaves) + 1
    tree.node[1 : 1 + leaves].reshape(-1)[:vcpus] = numbers


@jit
def get_vcpu(vm: Any, number: Any, observer: Any) -> Any:
    """Return vCPU `number` (int64), NOBODY when there is none. kvm_get_vcpu: a look-up in a tree."""
    noinline()
    events.count(observer, events.VCPU_LOOKUP, 1)
    tree = vm.vcpu_tree
    if number >= vm.vcpus:
        return np.int64(NOBODY)
    events.count(observer, events.TREE_LEVEL, tree.height)
    node = np.int64(0)
    level = tree.height
    while level > 1:
        level -= 1
        node = np.int64(tree.node[node, number >> (TREE_BITS * level)])
    return np.int64(tree.node[node, number & ((1 << TREE_BITS) - 1)]) - 1


@jit
def next_vcpu(vm: Any, number: Any, observer: Any) -> Any:
    """Return the first vCPU (int64) from `number` on, NOBODY when there is none: a step of kvm_for_each_vcpu.

    Each step searches the tree anew from its root.
    """
    noinline()
    tree = vm.vcpu_tree
    if number >= vm.vcpus:
        return np.int64(NOBODY)
    events.count(observer, events.VCPU_STEP, 1)
    events.count(observer, events.TREE_LEVEL, tree.height)
    node = np.int64(0)
    level = tree.height
    while level > 1:
        level -= 1
        node = np.int64(tree.node[node, number >> (TREE_BITS * level)])
    slot = number & ((1 << TREE_BITS) - 1)
    while slot < 1 << TREE_BITS:
        entry = np.int64(tree.node[node, slot])
        if entry != 0:
            return entry - 1
        slot += 1
    return np.int64(NOBODY)


@jit
def _highest_bits(vcpus: Any) -> Any:
    """Return the number whose bits are those in which the numbers 0..vcpus - 1 differ."""
    return (np.int64(1) << bit_length(U64(vcpus - 1))) - 1


@jit
def find_vcpu(vm: Any, affinity: Any, observer: Any) -> Any:
    """Return the vCPU (int64) whose MPIDR is `affinity` (int64, a byte per level), NOBODY for none.

    kvm_mpidr_to_vcpu: by a table of the bits in which the VM's vCPUs differ, which one vCPU alone has not.
    """
    noinline()
    if vm.vcpus == 1:
        vcpu = next_vcpu(vm, np.int64(0), observer)
        return vcpu if vcpu_affinity(vcpu) == affinity else np.int64(NOBODY)
    events.count(observer, events.AFFINITY_SEARCH, 1)
    index = np.int64(0)
    gathered = 0
    left = U64(vcpu_affinity(_highest_bits(vm.vcpus)))
    while left != U64_0:
        events.count(observer, events.AFFINITY_BIT, 1)
        index |= (affinity >> find_first_bit(left) & 1) << gathered
        gathered += 1
        left &= left - U64_1
    vcpu = get_vcpu(vm, index, observer)
    if vcpu != NOBODY and vcpu_affinity(vcpu) == affinity:
        return vcpu
    return np.int64(NOBODY)
