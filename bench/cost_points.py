# SPDX-License-Identifier: GPL-2.0-only
"""The points at which the real code's instructions were counted, as traces: a set-up and one measured operation.

A point is (gic, irqs, vcpus, lrs, pending, transition). Its set-up: distributor and all interrupts enabled, every SPI
edge but INTID 33 (level), priorities 0xa0 but INTIDs 32 and 33 (0), all SPIs routed to vCPU 0, every vCPU once in the
guest, and `pending` standing edge SPIs spread over the INTIDs from 36 on, in no list register. Then what the transition
needs before it, then the operation that is measured.

The numbers themselves are data (kernel-cost.csv); this module only says what was done.
"""

from kvmarm.config import VmConfig
from kvmarm.errors import UsageError
from kvmarm.gic import FIRST_RESERVED, FIRST_SPI, SGI_FRAME

EDGE_INTID = 32
LEVEL_INTID = 33
REGISTER_INTID = 34
"""The interrupt whose bit the register transitions write."""
FIRST_STANDING = 36
PPI = 27

_BIT = 1 << (REGISTER_INTID % 32)
_EDGE_CONFIG = 0xAAAAAAAA
_LEVEL_BITS = 3 << 2 * (LEVEL_INTID % 16)
_FILES = {
    "ISENABLER": 0x100,
    "ICENABLER": 0x180,
    "ISPENDR": 0x200,
    "ICPENDR": 0x280,
    "ISACTIVER": 0x300,
    "ICACTIVER": 0x380,
}
_PRIORITY = 0x400
_TARGET_V2 = 0x800
_CONFIG = 0xC00
_ROUTER = 0x6000


def _write(offset: int, size: int, value: int) -> str:
    return f"mmio_w 0 d {offset:#x} {size} {value:#x}"


def _bit_register(name: str) -> int:
    return _FILES[name] + FIRST_SPI // 8


def standing_intids(irqs: int, pending: int) -> list[int]:
    """Return the INTIDs of `pending` standing interrupts of a VM with `irqs` INTIDs."""
    return [FIRST_STANDING + i * (min(irqs, FIRST_RESERVED) - FIRST_STANDING) // pending for i in range(pending)]


def _private_set_up(config: VmConfig) -> list[str]:
    lines = []
    for vcpu in range(config.vcpus):
        frame, base = ("d", 0) if config.gic == 2 else (f"r{vcpu}", SGI_FRAME)
        lines.append(f"mmio_w {vcpu} {frame} {base + _FILES['ISENABLER']:#x} 4 0xffffffff")
        lines += [
            f"mmio_w {vcpu} {frame} {base + _PRIORITY + intid:#x} 4 0xa0a0a0a0" for intid in range(0, FIRST_SPI, 4)
        ]
    return lines


def set_up(config: VmConfig, pending: int) -> list[str]:
    """Return the trace lines that bring a new VM into the state every point starts from."""
    lines = [_write(0, 4, 1 if config.gic == 2 else 2), *_private_set_up(config)]
    for intid in range(FIRST_SPI, config.irqs, 4):
        lines.append(_write(_PRIORITY + intid, 4, 0xA0A00000 if intid == EDGE_INTID else 0xA0A0A0A0))
        if config.gic == 2:
            lines.append(_write(_TARGET_V2 + intid, 4, 0x01010101))
    for intid in range(FIRST_SPI, config.irqs, 16):
        level = _LEVEL_BITS if intid == FIRST_SPI else 0
        lines.append(_write(_CONFIG + intid // 4, 4, _EDGE_CONFIG & ~level))
    lines += [_write(_FILES["ISENABLER"] + intid // 8, 4, 0xFFFFFFFF) for intid in range(FIRST_SPI, config.irqs, 32)]
    for vcpu in range(config.vcpus):
        group = 1 if config.gic == 2 else 2
        lines += [f"flush {vcpu}", f"pmr {vcpu} 0xf8", f"ctlr {vcpu} {group:#x}", f"sync {vcpu}"]
    lines += [f"inject 0 {intid} 1" for intid in standing_intids(config.irqs, pending)]
    return lines


def _sgi(config: VmConfig, everyone: bool) -> str:
    last = config.vcpus - 1
    if config.gic == 2:
        targets = (1 << config.vcpus) - 1 if everyone else 1 << last
        return _write(0xF00, 4, targets << 16 | 1)
    # A target list names vCPUs of one cluster of 16.
    targets = (1 << min(config.vcpus, 16)) - 1 if everyone else 1 << (last & 15)
    cluster = 0 if everyone else last >> 4
    return f"sgi1r 0 {1 << 24 | cluster << 16 | targets:#x}"


def _sync_after_eoi(intid: int, level: bool, operations: int) -> list[str]:
    acknowledge = operations + 3
    lines = [f"inject 0 {intid} 1", "flush 0", "ack 0"]
    if level:
        lines.append(f"inject 0 {intid} 0")
    return [*lines, f"eoi 0 @{acknowledge}", "sync 0"]


def _mmio_write(config: VmConfig, register: str) -> list[str]:
    last = config.vcpus - 1
    if register == "TARGET":
        if config.gic == 2:
            return [_write(_TARGET_V2 + REGISTER_INTID, 1, 1 << last)]
        return [_write(_ROUTER + 8 * REGISTER_INTID, 8, (last >> 4) << 8 | last & 15)]
    if register == "IPRIORITYR":
        return [_write(_PRIORITY + FIRST_SPI, 4, 0xA0A00000)]
    if register == "ICFGR":
        return [_write(_CONFIG + FIRST_SPI // 4, 4, _EDGE_CONFIG & ~_LEVEL_BITS)]
    if register == "CTLR":
        return [_write(0, 4, 1 if config.gic == 2 else 0x52)]
    before = {
        "ISENABLER": ("ICENABLER", _BIT),
        "ISENABLER_x32": ("ICENABLER", 0xFFFFFFFF),
        "ICPENDR": ("ISPENDR", _BIT),
        "ICACTIVER": ("ISACTIVER", _BIT),
    }
    lines = []
    if register in before:
        name, value = before[register]
        lines.append(_write(_bit_register(name), 4, value))
    name = register.removesuffix("_x32")
    lines.append(_write(_bit_register(name), 4, 0xFFFFFFFF if name != register else _BIT))
    return lines


def _mmio_read(config: VmConfig, register: str) -> list[str]:
    size = 4
    if register == "TARGET" and config.gic == 3:
        offset, size = _ROUTER + 8 * REGISTER_INTID, 8
    elif register == "TARGET":
        offset = _TARGET_V2 + FIRST_SPI
    elif register in _FILES:
        offset = _bit_register(register)
    else:
        offset = {"IPRIORITYR": _PRIORITY + FIRST_SPI, "ICFGR": _CONFIG + FIRST_SPI // 4, "CTLR": 0}[register]
    return [f"mmio_r 0 d {offset:#x} {size}"]


def _steps(config: VmConfig, transition: str, operations: int) -> list[str]:
    """Return the lines after the set-up of `operations` operations; the last one is measured."""
    plain = {
        "inject_edge_spi": [f"inject 0 {EDGE_INTID} 1"],
        "inject_level_spi_raise": [f"inject 0 {LEVEL_INTID} 1"],
        "inject_level_lower": [f"inject 0 {LEVEL_INTID} 1", f"inject 0 {LEVEL_INTID} 0"],
        "inject_ppi": [f"inject 0 {PPI} 1"],
        "flush_empty": ["flush 0"],
        "flush_p": ["flush 0"],
        "sync_idle": ["flush 0", "sync 0"],
        "pending_query": ["pending 0"],
    }
    if transition in plain:
        return plain[transition]
    if transition in ("sgi_to_one", "sgi_to_all"):
        return [_sgi(config, transition == "sgi_to_all")]
    if transition in ("sync_after_eoi", "sync_after_eoi_edge"):
        level = transition == "sync_after_eoi"
        return _sync_after_eoi(LEVEL_INTID if level else EDGE_INTID, level, operations)
    kind, _, register = transition.partition("_")[2].partition("_")
    try:
        if transition.startswith("mmio_") and kind == "write":
            return _mmio_write(config, register)
        if transition.startswith("mmio_") and kind == "read":
            return _mmio_read(config, register)
    except KeyError:
        pass
    raise UsageError(f"cost point: unknown transition {transition!r}")


def cost_point(
    gic: int, irqs: int, vcpus: int, lrs: int, pending: int, transition: str
) -> tuple[VmConfig, list[str], int]:
    """Return (configuration, trace lines, index of the measured operation among them) of one point.

    Raises UsageError for a transition that is not in the catalogue or a configuration that cannot be.
    """
    config = VmConfig(gic, vcpus, irqs, lrs)
    lines = set_up(config, pending)
    lines += _steps(config, transition, len(lines))
    return config, lines, len(lines) - 1
