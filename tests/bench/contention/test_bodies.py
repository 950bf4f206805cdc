# SPDX-License-Identifier: GPL-2.0-only
"""Bodies are data: every packaged one becomes operations for every thread, and bad ones are refused by name."""

import numpy as np
import pytest

from bench.contention.bodies import MOST_MSI_VCPUS, bodies, chosen_bodies, config_of, read_bodies, scene_of, sources
from bench.contention.mixed import mixed_scene
from kvmarm.errors import UsageError
from kvmarm.trace import INJECT, MSI

NAMES = ["own_spi", "inject_again", "flush_sync", "enable", "sgi_pair", "one_target", "device", "msi"]


def test_the_packaged_bodies_are_those_that_are_documented() -> None:
    assert list(bodies()) == NAMES


@pytest.mark.parametrize("gic", [2, 3])
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("threads", [1, 2, 5, 8])
def test_every_body_has_operations_for_every_thread(name: str, gic: int, threads: int) -> None:
    body = bodies()[name]
    config = config_of(body, gic, threads, 256, 4)
    scene = scene_of(body, config, threads)
    assert len(scene.threads) == threads
    assert all(len(ops) for ops in scene.threads)
    alone = scene_of(body, config, threads, threads - 1)
    assert len(alone.threads) == 1 and int(alone.threads[0]["vcpu"].max()) in (0, threads - 1)


def test_threads_inject_interrupts_of_their_own_and_of_the_next() -> None:
    config = config_of(bodies()["own_spi"], 3, 3, 256, 4)
    own = [int(ops[0]["a"]) for ops in scene_of(bodies()["own_spi"], config, 3).threads]
    following = [int(ops[0]["a"]) for ops in scene_of(bodies()["device"], config, 3).threads]
    assert len(set(own)) == 3 and following == [*own[1:], own[0]]
    assert int(scene_of(bodies()["device"], config, 3, 1).threads[0][0]["a"]) == own[1]


def test_512_vcpus_have_an_spi_each() -> None:
    config = config_of(bodies()["own_spi"], 3, 512, 256, 4)
    own = {int(ops[0]["a"]) for ops in scene_of(bodies()["own_spi"], config, 512).threads}
    assert len(own) == 512 and max(own) < config.irqs


def test_what_makes_an_interrupt_pending_is_known() -> None:
    for name, gic, wanted in (("own_spi", 3, [True, *[False] * 4]), ("sgi_pair", 2, [True, *[False] * 4])):
        config = config_of(bodies()[name], gic, 2, 256, 4)
        assert sources(scene_of(bodies()[name], config, 2).threads[0]).tolist() == wanted
    msi = scene_of(bodies()["msi"], config_of(bodies()["msi"], 3, 2, 256, 4), 2)
    assert [int(ops[0]["kind"]) for ops in msi.threads] == [MSI, MSI]
    assert len(msi.probing()) == 2


def test_a_mix_is_the_same_by_seed() -> None:
    config = config_of(bodies()["own_spi"], 3, 2, 256, 4)
    one, same, other = (mixed_scene(config, 2, seed) for seed in (7, 7, 8))
    assert all(np.array_equal(a, b) for a, b in zip(one.threads, same.threads, strict=True))
    assert not np.array_equal(one.threads[0], other.threads[0])
    assert (one.threads[0]["kind"] == INJECT).any()


def test_bad_bodies_are_refused_with_their_name() -> None:
    for document in (
        {"x": {"lines": []}},
        {"x": {"text": "", "lines": "flush 0"}},
        {"x": {"text": "", "lines": [], "y": 1}},
    ):
        with pytest.raises(UsageError, match=r"file: body x: (expected|lines)"):
            read_bodies(document, "file")
    with pytest.raises(UsageError, match="unknown body 'own_sgi', expected some of own_spi"):
        chosen_bodies(["own_sgi"])
    with pytest.raises(UsageError, match="body msi: 300 vCPUs: expected at most"):
        config_of(bodies()["msi"], 3, MOST_MSI_VCPUS + 46, 256, 4)
    with pytest.raises(UsageError, match=r"body x: line 1"):
        body = read_bodies({"x": {"text": "", "lines": ["fly 0"]}}, "file")["x"]
        scene_of(body, config_of(body, 3, 1, 256, 4), 1)
