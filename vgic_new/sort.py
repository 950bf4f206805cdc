# SPDX-License-Identifier: GPL-2.0-only
"""Sorting an ap_list when it holds more than the list registers do.

Models: vgic_irq_cmp (virt/kvm/arm/vgic/vgic.c) and list_sort (lib/list_sort.c), Linux 4.8.17.

Lock order: the caller holds the ap_list lock; a comparison takes both irq locks, the older entry first.

Rules:
- The sort is a stable bottom-up merge sort of a linked list. Its order of comparisons shows in the irq locks, so it is
  kept.
- Entries are taken from the head, one by one. Each is merged with the waiting run of 1 if there is one. The result is
  merged with the waiting run of 2, of 4, …, and then waits itself.
- At the end the waiting runs are merged from the smallest to the largest. In every merge the older run is first.
- list_sort of that time also calls the comparison with one entry twice, only so that callers may yield: once every 256
  entries of the last merge's tail. There the redesign would take one irq lock twice. The call is left out, as it
  does not change the order.

Work: the comparison is called through a pointer in the original, so it is a call, and so is a merge.
"""

from typing import Any

import numpy as np

from kvmarm import events
from kvmarm.jit import jit, noinline
from kvmarm.locks import assert_held
from vgic_new.state import NO_SLOT, lock_irq, unlock_irq


@jit
def compare(vm: Any, first: Any, second: Any, observer: Any) -> Any:
    """Return <= 0 when slot `first` may stay before slot `second`, > 0 when it must not.

    Active ones come first; of the others those that are pending and enabled, of them the lower priority value.
    """
    noinline()
    events.count(observer, events.COMPARE, 1)
    a = vm.irq[first]
    b = vm.irq[second]
    lock_irq(vm, first, observer)
    lock_irq(vm, second, observer)
    a_due = np.int64(a.enabled & a.pending)
    b_due = np.int64(b.enabled & b.pending)
    order = np.int64(a.priority) - np.int64(b.priority) if a_due & b_due else b_due - a_due
    order = np.int64(b.active) - np.int64(a.active) if a.active | b.active else order
    unlock_irq(vm, second, observer)
    unlock_irq(vm, first, observer)
    return order


@jit
def _merge(vm: Any, a: Any, b: Any, observer: Any) -> Any:
    """Return the first slot of the merged runs that start at slots `a` and `b`; only `next` links are kept up."""
    noinline()
    if a == NO_SLOT or b == NO_SLOT:
        return a if a != NO_SLOT else b
    first = np.int64(NO_SLOT)
    last = np.int64(NO_SLOT)
    while a != NO_SLOT and b != NO_SLOT:
        keep = compare(vm, a, b, observer) <= 0
        taken = a if keep else b
        following = np.int64(vm.irq[taken].next)
        a = following if keep else a
        b = b if keep else following
        if last == NO_SLOT:
            first = taken
        else:
            vm.irq[last].next = taken
        last = taken
    vm.irq[last].next = a if a != NO_SLOT else b
    return first


@jit
def _relink(vm: Any, vcpu: Any, first: Any, observer: Any) -> None:
    """Make the chain that starts at slot `first` the ap_list of `vcpu`, with its `prev` links.

    The ap_list lock is held.
    """
    cpu = vm.vcpu[vcpu]
    assert_held(cpu)
    cpu.head = first
    last = np.int64(NO_SLOT)
    slot = first
    while slot != NO_SLOT:
        events.count(observer, events.SORT_STEP, 1)
        vm.irq[slot].prev = last
        last = slot
        slot = np.int64(vm.irq[slot].next)
    cpu.tail = last


@jit
def sort_ap_list(vm: Any, vcpu: Any, observer: Any) -> None:
    """Sort the ap_list of `vcpu` in place. The ap_list lock is held."""
    noinline()
    events.count(observer, events.SORT, 1)
    cpu = vm.vcpu[vcpu]
    assert_held(cpu)
    waiting = cpu.waiting
    waiting[:] = NO_SLOT
    levels = 0
    slot = np.int64(cpu.head)
    while slot != NO_SLOT:
        events.count(observer, events.SORT_STEP, 1)
        run = slot
        slot = np.int64(vm.irq[run].next)
        vm.irq[run].next = NO_SLOT
        level = 0
        while waiting[level] != NO_SLOT:
            run = _merge(vm, np.int64(waiting[level]), run, observer)
            waiting[level] = NO_SLOT
            level += 1
        waiting[level] = run
        levels = max(levels, level + 1)
    # A typed 0: a bare one would compile _merge a second time, for the literal.
    rest = np.int64(NO_SLOT)
    for level in range(levels):
        if waiting[level] != NO_SLOT:
            rest = _merge(vm, np.int64(waiting[level]), rest, observer)
    _relink(vm, vcpu, rest, observer)
