# SPDX-License-Identifier: GPL-2.0-only
"""List registers as probes recorded them: read, and what the guest must have done between an entry and an exit.

By a register's state at entry and exit: 1>2 acknowledged, 1>0 acknowledged and completed, 2>0 completed, 3>1 completed,
3>2 completed and acknowledged, 3>0 completed, acknowledged and completed. Within one stay in the guest: completions of
what was active first, then what came and went, last what stays active (one priority: nothing nests).
"""

from typing import Any

import numpy as np

from bench.recordings.placement.guest import complete, take
from kvmarm.gic import FIRST_LPI
from kvmarm.jit import U64, jit

_V3_STATE, _V2_STATE = np.uint64(62), np.uint64(28)


@jit
def _state_of(state: Any, lr: Any) -> Any:
    return np.int64((lr >> (_V2_STATE if state.lr_layout == 2 else _V3_STATE)) & U64(3))


@jit
def recorded_key(layout: Any, gic: Any, lr: Any) -> Any:
    """Return INTID (int64) of a recorded list register, with the source vCPU in bits 12:10 for a GICv2 guest's SGI."""
    if layout == 2:
        forwarded = (lr >> U64(31)) & U64(1) != U64(0)
        return np.int64(lr & (U64(0x3FF) if forwarded else U64(0x1FFF)))
    if gic == 2:
        return np.int64(lr & U64(0x1FFF))
    return np.int64(lr & U64(0xFFFFFFFF))


@jit
def snapshot(events: Any, index: Any, count: Any, lrs: Any) -> None:
    """Copy the list registers of the LRS events from `index` on into `lrs` (uint64[:])."""
    for slot in range(count):
        event = events[index + slot // 4]
        part = slot & 3
        lrs[slot] = event.a if part == 0 else event.b if part == 1 else event.c if part == 2 else event.d


@jit
def infer_from_lrs(state: Any, vcpu: Any, exit_lrs: Any, count: Any, with_lpis: Any) -> None:
    """Emit what the guest did between an entry with state.cpu[vcpu].lr and an exit with `exit_lrs` (uint64[count]).

    with_lpis: whether MSIs are placed, so that LPIs are acknowledged.
    """
    cpu = state.cpu[vcpu]
    for step in range(3):
        for index in range(min(count, cpu.lr_count)):
            key = recorded_key(state.lr_layout, state.gic, cpu.lr[index])
            before = _state_of(state, cpu.lr[index])
            after = _state_of(state, exit_lrs[index])
            if before == after:
                continue
            of_lpi = key >= FIRST_LPI and not with_lpis
            if recorded_key(state.lr_layout, state.gic, exit_lrs[index]) != key or of_lpi:
                if step == 0:
                    if of_lpi:
                        state.n_lpi += 1
                    else:
                        state.n_lr_unmatched += 1
                continue
            pending_gone = before & 1 != 0 and after & 1 == 0
            if step == 0:
                if before & 2 != 0:
                    state.n_eois_from_lrs += complete(state, vcpu, key)
                elif not pending_gone:
                    # 0 or 1 to something the guest cannot have caused.
                    state.n_lr_unmatched += 1
            elif step == 1 and pending_gone and after == 0:
                take(state, vcpu, key)
                state.n_eois_from_lrs += complete(state, vcpu, key)
                state.n_acks_from_lrs += 1
            elif step == 2 and pending_gone and after == 2:
                take(state, vcpu, key)
                state.n_acks_from_lrs += 1
