# SPDX-License-Identifier: GPL-2.0-only
"""The virtual CPU interface: acknowledge by priority, EOI and DIR in both modes, the status registers."""

from typing import Any

import pytest

from kvmarm import cpuif
from kvmarm.gic import HCR_EN, HCR_LRENPIE, HCR_NPIE, HCR_UIE, SPURIOUS
from kvmarm.jit import U64


def lr(gic: int, intid: int, state: int, priority: int = 0xA0, hw: int | None = None, eoi: int = 0) -> int:
    """Return a raw list register: GICv2 in Group 0, GICv3 in Group 1."""
    physical = hw or 0
    if gic == 2:
        word = intid | physical << 10 | eoi << 19 | priority >> 3 << 23 | state << 28 | (hw is not None) << 31
    else:
        word = intid | physical << 32 | eoi << 41 | priority << 48 | 1 << 60 | (hw is not None) << 61 | state << 62
    return word


def interface(gic: int, *words: int, hcr: int = HCR_EN, eoimode: int = 0) -> Any:
    """Return hardware whose first interface holds the given list registers and lets everything through."""
    hardware = cpuif.new_hardware(max(len(words), 1))
    cpu = hardware.cpu[0]
    for index, word in enumerate(words):
        cpu.lr[index] = word
    cpu.hcr = hcr
    cpuif.set_priority_mask(cpu, 0xF8)
    cpuif.set_control(cpu, 3 | eoimode << 9)
    return hardware


@pytest.mark.parametrize("gic", [2, 3])
def test_acknowledge_takes_the_most_urgent_then_the_lowest_register(gic: int) -> None:
    hardware = interface(gic, lr(gic, 40, 1, 0xA0), lr(gic, 41, 1, 0x20), lr(gic, 42, 1, 0x20), lr(gic, 43, 2, 0x00))
    cpu = hardware.cpu[0]
    assert cpuif.acknowledge(cpu, gic) == 41
    # 42 has the same priority: it does not preempt.
    assert cpuif.acknowledge(cpu, gic) == SPURIOUS
    cpuif.end_of_interrupt(cpu, gic, U64(41), hardware.physical_active)
    assert cpuif.acknowledge(cpu, gic) == 42
    cpuif.end_of_interrupt(cpu, gic, U64(42), hardware.physical_active)
    assert cpuif.acknowledge(cpu, gic) == 40
    assert int(cpu.apr) == 1 << (0xA0 >> 3)


@pytest.mark.parametrize("gic", [2, 3])
def test_masks(gic: int) -> None:
    hardware = interface(gic, lr(gic, 40, 1, 0xA0))
    cpu = hardware.cpu[0]
    cpuif.set_priority_mask(cpu, 0xA7)
    assert int(cpu.pmr) == 0xA0
    assert cpuif.acknowledge(cpu, gic) == SPURIOUS
    cpuif.set_priority_mask(cpu, 0xFF)
    cpuif.set_control(cpu, 2 if gic == 2 else 1)
    assert cpuif.acknowledge(cpu, gic) == SPURIOUS
    cpuif.set_control(cpu, 3)
    cpu.hcr = 0
    assert cpuif.acknowledge(cpu, gic) == SPURIOUS
    cpu.hcr = HCR_EN
    assert cpuif.acknowledge(cpu, gic) == 40


def test_binary_point_sets_what_preempts() -> None:
    hardware = interface(3, lr(3, 40, 1, 0xA0), lr(3, 41, 0, 0x90))
    cpu = hardware.cpu[0]
    cpuif.set_binary_point(cpu, 5)
    assert cpuif.acknowledge(cpu, 3) == 40
    cpu.lr[1] = lr(3, 41, 1, 0x90)
    # With the low six bits out of the comparison 0xa0 and 0x90 are one group, 0x80.
    assert cpuif.acknowledge(cpu, 3) == SPURIOUS
    cpuif.set_binary_point(cpu, 3)
    assert cpuif.acknowledge(cpu, 3) == SPURIOUS, "the running priority is that of the acknowledge"
    cpu.lr[1] = lr(3, 41, 1, 0x70)
    assert cpuif.acknowledge(cpu, 3) == 41


def test_gicv2_sgis_carry_their_source() -> None:
    hardware = interface(2, lr(2, 5, 1) | 3 << 10, lr(2, 5, 1) | 1 << 10)
    cpu = hardware.cpu[0]
    assert cpuif.acknowledge(cpu, 2) == 5 | 3 << 10
    cpuif.end_of_interrupt(cpu, 2, U64(5 | 1 << 10), hardware.physical_active)
    assert int(cpu.lr[0]) >> 28 & 3 == 2, "another source's EOI does not deactivate it"
    assert int(cpu.hcr) >> 27 == 1


@pytest.mark.parametrize("gic", [2, 3])
def test_eoi_modes(gic: int) -> None:
    hardware = interface(gic, lr(gic, 40, 1, hw=77), eoimode=1)
    cpu = hardware.cpu[0]
    hardware.physical_active[77] = 1
    assert cpuif.acknowledge(cpu, gic) == 40
    cpuif.end_of_interrupt(cpu, gic, U64(40), hardware.physical_active)
    assert int(cpu.apr) == 0
    assert int(hardware.physical_active[77]) == 1
    cpuif.deactivate_interrupt(cpu, gic, U64(40), hardware.physical_active)
    assert int(hardware.physical_active[77]) == 0
    assert int(cpuif.elrsr(cpu, gic)) == 1


@pytest.mark.parametrize("gic", [2, 3])
def test_what_an_eoi_ignores(gic: int) -> None:
    hardware = interface(gic, lr(gic, 40, 2))
    cpu = hardware.cpu[0]
    before = int(cpu.lr[0])
    cpuif.end_of_interrupt(cpu, gic, U64(40), hardware.physical_active)
    assert int(cpu.lr[0]) == before, "no active priority: nothing happens"
    cpuif.deactivate_interrupt(cpu, gic, U64(40), hardware.physical_active)
    assert int(cpu.lr[0]) == before, "EOImode 0: DIR does nothing"
    cpu.apr = 1
    cpuif.end_of_interrupt(cpu, gic, U64(SPURIOUS), hardware.physical_active)
    assert int(cpu.apr) == 1
    cpuif.end_of_interrupt(cpu, gic, U64(99), hardware.physical_active)
    assert (int(cpu.apr), int(cpu.hcr) >> 27) == (0, 1)


@pytest.mark.parametrize("gic", [2, 3])
def test_status_registers(gic: int) -> None:
    words = (lr(gic, 40, 0, eoi=1), lr(gic, 41, 0), lr(gic, 42, 0, hw=50), lr(gic, 43, 2))
    hardware = interface(gic, *words, hcr=HCR_EN | HCR_UIE | HCR_LRENPIE | HCR_NPIE)
    cpu = hardware.cpu[0]
    assert int(cpuif.eisr(cpu, gic)) == 0b0001
    assert int(cpuif.elrsr(cpu, gic)) == 0b0110
    assert int(cpuif.misr(cpu, gic, cpuif.eisr(cpu, gic))) == 0b1011
    cpu.hcr |= U64(1 << 27)
    assert int(cpuif.misr(cpu, gic, cpuif.eisr(cpu, gic))) == 0b1111
    cpu.hcr &= ~U64(1)
    assert int(cpuif.misr(cpu, gic, cpuif.eisr(cpu, gic))) == 0
