# SPDX-License-Identifier: GPL-2.0-only
"""What ten years changed, seen in a few operations: kicks, locks, list registers, vCPUs found in a tree."""

import numpy as np
import pytest

from kvmarm.config import VmConfig
from kvmarm.design import get_design
from kvmarm.mpidr import vcpu_affinity
from kvmarm.trace_read import parse_trace
from tests.model_text import run_to_locks, run_to_text
from vgic_now.state import NOBODY
from vgic_now.vcpus import find_vcpu, get_vcpu, next_vcpu

BASE = ["config gic=2 vcpus=2 irqs=64 lrs=2", "mmio_w 0 d 0x0 4 0x1", "mmio_w 0 d 0x104 4 0xf"]


def last(design: str, *lines: str, locks: bool = False) -> str:
    """Return what the last of some operations gave on a design, or its locks."""
    trace = parse_trace("\n".join([*BASE, *lines]).encode(), name="lines")
    text = (run_to_locks if locks else run_to_text)(trace, get_design(design))
    return text.splitlines()[-1]


def test_what_is_on_a_list_already_is_announced_again() -> None:
    lines = ("inject 0 32 1", "inject 0 32 1")
    assert last("new", *lines).endswith("kicks=") and last("now", *lines).endswith("kicks=0")


def test_nothing_to_do_takes_no_lock() -> None:
    assert last("new", "flush 0", locks=True).endswith("locks=+ap0,-ap0")
    assert last("now", "flush 0", locks=True).endswith("locks=")


def test_reads_of_pending_bits_take_every_lock() -> None:
    assert last("new", "mmio_r 0 d 0x204 4", locks=True).endswith("locks=")
    assert last("now", "mmio_r 0 d 0x204 4", locks=True).count("+irq") == 32


def test_the_guest_cannot_make_an_sgi_without_a_sender() -> None:
    lines = ("mmio_w 0 d 0x200 4 0x1", "flush 0")
    assert "bug=" in last("new", *lines) and "bug=" not in last("now", *lines)


@pytest.mark.parametrize("vcpus", [1, 2, 17, 64, 65, 255, 512])
def test_each_vcpu_is_found_by_number_by_walk_and_by_affinity(vcpus: int) -> None:
    vm = get_design("now").create(VmConfig(3, vcpus, 64, 4))
    for number in {0, 1, 15, 16, 63, 64, vcpus - 1, vcpus, vcpus + 300}:
        wanted = number if number < vcpus else NOBODY
        assert get_vcpu(vm, np.int64(number), None) == wanted
        assert next_vcpu(vm, np.int64(number), None) == wanted
        assert find_vcpu(vm, np.int64(vcpu_affinity(number)), None) == wanted
    assert find_vcpu(vm, np.int64(1 << 32), None) == NOBODY
