# SPDX-License-Identifier: GPL-2.0-only
"""The compiled loop against the plain machine: the same state, the same counts."""

import numpy as np
import pytest

from kvmarm.el2 import scene
from kvmarm.el2.round_trip import encode
from kvmarm.el2.slots import SLOT_NAMES, slot
from kvmarm.el2.switch import WorldSwitch, model_of
from tests.switch_models.recorded import configuration

CASES = [
    {},
    {"gic": "v3", "nr_lr": 16, "live_lrs": 3},
    {"fp_used": 1, "fpcr_differs": 1, "debug": "dirty", "guest": "aarch32", "exit": "dabt_perm"},
    {"debug": "mdscr_mde", "exit": "irq", "timer": 0},
    {"gic": "v3", "live_lrs": 2, "lr_kind": "eoi_maint+completed", "vgic_sre": 0, "prio_bits": 7},
    {"live_lrs": 4, "lr_kind": "completed_by_guest", "exit": "dabt", "erratum_834220": 1},
]
CALLERS_OWN = ("x0", "x1", "x2", "x3", "pc")


@pytest.mark.parametrize("implementation", ["asm44", "c48", "c48-vhe"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join(map(str, case.values())) or "plain")
def test_counts_and_state_agree(implementation: str, case: dict[str, object]) -> None:
    options = configuration(implementation=implementation, **case)
    builder = model_of(options).programs
    world = WorldSwitch(builder)
    ran = world.run(options)
    fast = encode(builder, options)
    assert fast.count(1) == {phase: executed.counts() for phase, executed in ran.items()}
    differing = [
        name
        for name, ours, theirs in zip(SLOT_NAMES, fast.state.tolist(), world.machine.state, strict=True)
        if ours != theirs and name not in CALLERS_OWN and not name.startswith("stack.")
    ]
    assert differing == []


@pytest.mark.parametrize("implementation", ["asm44", "c48", "c48-vhe"])
def test_a_thousand_rounds_are_a_thousand_times_one(implementation: str) -> None:
    options = configuration(implementation=implementation, live_lrs=2, fp_used=1, debug="dirty")
    builder = model_of(options).programs
    one = encode(builder, options).count(1)
    many = encode(builder, options)
    before = many.state.copy()
    counts = many.count(1000)
    assert counts == {phase: {k: 1000 * n for k, n in classes.items()} for phase, classes in one.items()}
    for name in ("x19", "x30", "q7", "tpidr_el1", "dbgbvr2_el1"):
        assert many.state[slot(name)] == before[slot(name)], name


def test_uncounted_rounds_leave_the_same_state() -> None:
    options = configuration(implementation="c48", live_lrs=1)
    builder = model_of(options).programs
    counted, timed = encode(builder, options), encode(builder, options)
    counted.count(3)
    timed.run(3)
    assert np.array_equal(counted.state, timed.state)
    assert int(timed.state[slot("vgic.lr0")]) == scene.lr_value(options, 0)
