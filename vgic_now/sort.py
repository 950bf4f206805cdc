# SPDX-License-Identifier: GPL-2.0-only
"""Sorting an ap_list when it holds more than the list registers do.

Models: vgic_irq_cmp (arch/arm64/kvm/vgic/vgic.c) and list_sort (lib/list_sort.c), Linux 6.18.35.

Lock order: the caller holds the ap_list lock; a comparison takes both irq locks, the older entry first.

Rules:
- The sort is a stable bottom-up merge sort of a linked list. Its order of comparisons shows in the irq locks, so it is
  kept.
- Entries are taken from the head, one by one. Runs wait in a stack, and two of one length are merged only when as many
  entries again have been taken.
- At the end the top run is merged with the one below it, and so on. In every merge the older run is first.
- list_sort also calls the comparison with one entry twice, once every 256 entries of the last merge's tail, only so
  that callers may yield. Such a comparison returns before it takes a lock; it is left out.
"""

from typing import Any

import numpy as np

from kvmarm import events
from kvmarm.jit import U64, find_first_bit, jit, noinline
from kvmarm.locks import assert_held
from vgic_now.state import NO_SLOT, is_pending, lock_irq, unlock_irq


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
    a_due = np.int64(a.enabled & is_pending(a))
    b_due = np.int64(b.enabled & is_pending(b))
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
    waiters = 0
    taken = np.int64(0)
    slot = np.int64(cpu.head)
    while slot != NO_SLOT:
        events.count(observer, events.SORT_STEP, 1)
        run = slot
        slot = np.int64(vm.irq[run].next)
        vm.irq[run].next = NO_SLOT
        newer_runs = find_first_bit(~U64(taken))
        if taken >> newer_runs:
            older = waiters - newer_runs - 2
            waiting[older] = _merge(vm, np.int64(waiting[older]), np.int64(waiting[older + 1]), observer)
            waiters -= 1
            for place in range(older + 1, waiters):
                waiting[place] = waiting[place + 1]
        waiting[waiters] = run
        waiters += 1
        taken += 1
    # A typed 0: a bare one would compile _merge a second time, for the literal.
    rest = np.int64(NO_SLOT)
    while waiters > 0:
        waiters -= 1
        rest = _merge(vm, np.int64(waiting[waiters]), rest, observer)
    _relink(vm, vcpu, rest, observer)
