# SPDX-License-Identifier: GPL-2.0-only
"""Where a design differs from a recording: list registers at entries, values that loads returned. In jitted code."""

from typing import Any

import numpy as np

from bench.recordings.placement.list_registers import recorded_key
from bench.replay.tally import MOST_DIFFERENCES, R_SWAPPED, R_TAKEN, R_UNKNOWN
from kvmarm.gic import FIRST_LPI, SGIS, TIMER
from kvmarm.jit import U64, jit
from kvmarm.lr import lr_intid, lr_state


@jit
def _find_recorded(vm: Any, result: Any, record: Any, tally: Any, lr: Any) -> Any:
    """Look for one recorded list register among those the design loaded; return the mark for the next entry."""
    layout = tally.layout
    state = np.int64((lr >> (U64(28) if layout == 2 else U64(62))) & U64(3))
    intid = recorded_key(layout, vm.gic, lr) & 0x3FF
    for other in range(vm.lrs):
        if lr_state(vm.gic, result.lr[other]) != 0 and (lr_intid(vm.gic, result.lr[other]) & 0x3FF) == intid:
            tally.lrs_equal += 1
            return np.int64(0)
    taken = tally.taken[record.vcpu]
    mark = np.int64(0)
    reason = R_UNKNOWN
    if state == 1 and (taken >> intid) & 1 != 0:
        reason = R_TAKEN
    elif state >= 2 and ((taken >> (32 + intid)) & 1 != 0 or taken & 0xFFFFFFFF != 0):
        # It stays so at every entry until the guest completes what it holds there.
        reason = R_SWAPPED
        mark = np.int64(1) << (32 + intid)
    tally.reasons[reason] += 1
    if tally.entry_differences < MOST_DIFFERENCES:
        difference = tally.entry_table[tally.entry_differences]
        difference.op = record.op
        difference.vcpu = record.vcpu
        difference.region = reason
        difference.offset = intid
        difference.recorded = lr
        difference.count = 1
        tally.entry_differences += 1
    return mark


@jit
def _find_lpi(vm: Any, result: Any, record: Any, tally: Any, lr: Any) -> None:
    """Look for the LPI of a recorded list register among those the design loaded."""
    intid = np.int64(lr & U64(0xFFFFFFFF))
    tally.lpis_checked += 1
    for other in range(vm.lrs):
        if lr_state(vm.gic, result.lr[other]) != 0 and lr_intid(vm.gic, result.lr[other]) == intid:
            tally.lpis_equal += 1
            return
    if tally.lpi_differences < MOST_DIFFERENCES:
        difference = tally.lpi_table[tally.lpi_differences]
        difference.op = record.op
        difference.vcpu = record.vcpu
        difference.offset = intid
        difference.recorded = lr
        difference.count = 1
        tally.lpi_differences += 1


@jit
def _count_extra(vm: Any, result: Any, record: Any, tally: Any) -> None:
    """Count the SGIs and timers that the design loaded and that no recorded list register holds."""
    layout = tally.layout
    for other in range(vm.lrs):
        intid = lr_intid(vm.gic, result.lr[other]) & 0x3FF
        if lr_state(vm.gic, result.lr[other]) == 0 or not (intid < SGIS or intid == TIMER):
            continue
        found = False
        for index in range(record.n):
            lr = record.lr[index]
            state = np.int64((lr >> (U64(28) if layout == 2 else U64(62))) & U64(3))
            if state != 0 and (recorded_key(layout, vm.gic, lr) & 0x3FF) == intid:
                found = True
        if not found:
            tally.lrs_extra += 1


@jit
def compare_entry(vm: Any, result: Any, record: Any, tally: Any) -> Any:
    """Compare the SGIs and the timer in the recorded list registers with those the design loaded.

    tally.taken: for each vCPU a bit mask of the private interrupts acknowledged since the entry before; in its upper
    half, those that were swapped at the entry before. Returns the upper half for the next entry.
    """
    marks = np.int64(0)
    checked = 0
    equal = tally.lrs_equal
    for index in range(record.n):
        lr = record.lr[index]
        state = np.int64((lr >> (U64(28) if tally.layout == 2 else U64(62))) & U64(3))
        key = recorded_key(tally.layout, vm.gic, lr)
        intid = key & 0x3FF
        if state != 0 and key < 0x2000 and (intid < SGIS or intid == TIMER):
            checked += 1
            marks |= _find_recorded(vm, result, record, tally, lr)
        elif state != 0 and key >= FIRST_LPI and vm.its:
            _find_lpi(vm, result, record, tally, lr)
    _count_extra(vm, result, record, tally)
    tally.lrs_checked += checked
    if checked > 0:
        tally.entries_checked += 1
        if checked == tally.lrs_equal - equal:
            tally.entries_equal += 1
    return marks


@jit
def note_load(tally: Any, op: Any, number: Any, model: Any) -> None:
    """Note that the load `op` returned `model` and not what was recorded, once for each pair of values."""
    for index in range(tally.load_differences):
        known = tally.load_table[index]
        if (
            known.offset == op.b
            and known.recorded == op.value
            and known.model == model
            and known.region == op.a
            and known.size == op.c
        ):
            known.count += 1
            return
    if tally.load_differences == MOST_DIFFERENCES:
        tally.loads_unlisted += 1
        return
    difference = tally.load_table[tally.load_differences]
    difference.op = number
    difference.vcpu = op.vcpu
    difference.region = op.a
    difference.offset = op.b
    difference.size = op.c
    difference.recorded = op.value
    difference.model = model
    difference.count = 1
    tally.load_differences += 1
