# SPDX-License-Identifier: GPL-2.0-only
"""The monitors over a given trace: the right operation and class, and silence where nothing contradicts."""

import pytest

from bench.verify.classes import signature_text
from bench.verify.given import Finding
from bench.verify.trace import verify_trace
from kvmarm.design import get_design
from kvmarm.trace_read import parse_trace

SET_UP = """config gic=2 vcpus=1 irqs=64 lrs=4
mmio_w 0 d 0xc08 4 0x8
mmio_w 0 d 0x104 4 0x2
mmio_w 0 d 0x0 4 0x1
flush 0
pmr 0 0xf8
ctlr 0 0x3
sync 0
"""


def judge(operations: str, design: str) -> Finding:
    return verify_trace(parse_trace((SET_UP + operations).encode()), get_design(design))


@pytest.mark.parametrize("design", ["old", "new"])
def test_an_edge_that_is_served_contradicts_nothing(design: str) -> None:
    served = "inject 0 33 1\nflush 0\nack 0\neoi 0 @9\nack 0\nsync 0\n"
    assert judge(served.replace("@9", "@10"), design) == Finding()


@pytest.mark.parametrize("design", ["old", "new"])
def test_what_software_may_not_do_ends_the_judgement(design: str) -> None:
    assert judge("inject 0 33 1\nflush 0\nack 0\neoi 0 0x22\nsync 0\n", design) == Finding()


def test_a_host_that_dies_is_found_at_its_operation() -> None:
    finding = judge("mmio_w 0 d 0x200 4 0x2\nflush 0\n", "new")
    assert finding.operation == 9
    assert finding.code is not None
    assert signature_text(finding.code).startswith("host killed")
