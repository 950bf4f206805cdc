# SPDX-License-Identifier: GPL-2.0-only
"""What a configuration uses of a record: all that any operation changes, and little more."""

import numpy as np
import pytest

from bench.catalogue.catalogue import load_catalogue
from bench.meters.events import Stage
from bench.meters.memory import Memory, used_words, words_of
from kvmarm.config import VmConfig
from kvmarm.cpuif import HARDWARE
from kvmarm.design import BUILT_IN, get_design

CONFIGS = (VmConfig(gic=2, vcpus=1, irqs=64, lrs=1), VmConfig(gic=3, vcpus=20, irqs=1024, lrs=16))


@pytest.mark.parametrize("design", BUILT_IN)
@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_nothing_outside_of_what_is_used_is_ever_written(design: str, config: VmConfig) -> None:
    fresh = words_of(get_design(design).create(config)).copy()
    stage = Stage(get_design(design), config, 2)
    used = np.zeros(len(fresh), bool)
    for part in used_words(stage.vm.dtype, config):
        used[part] = True
    played = 0
    for number, transition in enumerate(load_catalogue().values()):
        if number % 9 == 0 and transition.effective_pending(config, 2) == 2 and not transition.lpis:
            stage.play(transition.operations(config))
            assert np.array_equal(words_of(stage.vm)[~used], fresh[~used]), transition.name
            assert not np.array_equal(words_of(stage.vm)[used], fresh[used])
            stage.reset()
            played += 1
    assert played > 10


def test_a_small_vm_uses_little() -> None:
    for dtype in (get_design("old").dtype, get_design("new").dtype, HARDWARE):
        words = sum(part.stop - part.start for part in used_words(dtype, CONFIGS[0]))
        assert words < 0.02 * dtype.itemsize / 8


def test_restores_and_tells_changes() -> None:
    config = CONFIGS[0]
    vm = get_design("new").create(config)
    memory = Memory(vm, config)
    saved = memory.save()
    assert len(memory.changes(saved)) == 0
    before = memory.words.copy()
    vm.irq[40].priority = 8
    changes = memory.changes(saved)
    assert [int(before[int(index)]) for index in changes[:, 0]] == changes[:, 1].tolist()
    assert len(changes) == 1
    memory.restore(saved)
    assert np.array_equal(memory.words, before)
