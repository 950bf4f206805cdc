# SPDX-License-Identifier: GPL-2.0-only
"""The architecture's decoding of SGI registers."""

import pytest

from kvmarm.jit import U64
from kvmarm.sgi import sgi_intid, sgi_reaches


def reached(gic: int, value: int, sender: int, vcpus: int) -> list[int]:
    return [target for target in range(vcpus) if sgi_reaches(gic, U64(value), sender, target)]


@pytest.mark.parametrize(
    ("value", "sender", "targets"),
    [
        (0x0005_0003, 1, [0, 2]),
        (0x0100_0003, 1, [0, 2, 3]),
        (0x01FF_0003, 1, [0, 2, 3]),
        (0x0200_0003, 1, [1]),
        (0x0300_0003, 1, []),
        (0x0000_0003, 1, []),
    ],
)
def test_gicd_sgir(value: int, sender: int, targets: list[int]) -> None:
    assert sgi_intid(2, U64(value)) == 3
    assert reached(2, value, sender, 4) == targets


@pytest.mark.parametrize(
    ("value", "targets"),
    [
        (0x0500_0006, [1, 2]),
        (0x0501_0006, [17, 18]),
        (0x0500_0006 | 1 << 40, [*range(3), *range(4, 20)]),
        (0x0500_0006 | 1 << 32, []),  # Aff2: no vCPU of 20 has one
        (0x0500_0006 | 1 << 48, []),  # Aff3
        (0x0500_0000, []),
    ],
)
def test_icc_sgi1r(value: int, targets: list[int]) -> None:
    assert sgi_intid(3, U64(value)) == 5
    assert reached(3, value, 3, 20) == targets


def test_aff2_and_aff3_name_clusters_beyond_the_first_256() -> None:
    assert sgi_reaches(3, U64(1 << 32 | 1), 0, 256 * 16)
    assert not sgi_reaches(3, U64(1), 0, 256 * 16)
