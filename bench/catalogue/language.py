# SPDX-License-Identifier: GPL-2.0-only
"""The words that a transition is written in: trace lines, and a few that hide what differs between GICv2 and GICv3.

A line is either a line of the trace format or one of

    set REGISTER INTID            store the interrupt's bit (1-bit registers: ISENABLER, ICPENDR, ...)
    set REGISTER A..B             store all ones over the 32 interrupts A..B
    put REGISTER INTID VALUE      store 32 bits into the word that holds the interrupt
    byte REGISTER INTID VALUE     store the interrupt's byte (IPRIORITYR)
    get REGISTER INTID            load the word that holds the interrupt
    configure INTID edge|level    store the interrupt's ICFGR word, the others in it as the standard set-up has them
    route INTID VCPU              store the target: a byte of ITARGETSR, or the 64 bits of IROUTER
    sgi SENDER INTID TO           send an SGI (GICD_SGIR, ICC_SGI1R) to a vCPU, `all` (a list), `others` or `self`
    its COMMAND ARGUMENT…         queue a command of the ITS and write GITS_CWRITER (bench.catalogue.lpis: arguments)
    property LPI BYTE             store an LPI's priority and enable bit in guest memory
    msis N                        an MSI for the watched LPI, then for N - 1 others in the order of their list

each but `sgi` and the last three with ` by VCPU` at its end when another vCPU than 0 makes the access. REGISTER is the
architecture's name without GICD_/GICR_; TARGET is ITARGETSR or IROUTER. Private interrupts are those of the accessing
vCPU, on GICv3 through its redistributor. `@ack` is what the last ack of the same list returned. In braces: {last} the
last vCPU, {last_bit} its bit in a target byte, {top} the highest INTID in use; {lrs}, {vcpus}, {irqs}; {enable} the
value of GICD_CTLR that enables the distributor, {group} the interface's group enable bit, {eoimode1} the same with
EOImode 1. In a VM with an ITS: {lpi} the watched LPI, {device} and {event} what leads to it; {last_event} the last
event of that device, {new_event} and {new_lpi} ones that are not mapped, {lpis} how many are.

`translate` gives trace lines, `compile_lines` operations. Nothing here knows a design.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache

import numpy as np

from bench.catalogue.lpis import DEFAULT_SCENE, LpiLines, LpiScene
from kvmarm import gic as arch
from kvmarm.config import MAX_VCPUS, VmConfig
from kvmarm.errors import UsageError
from kvmarm.trace import KIND_NAMES, OP, LineError, parse_line

LEVEL_SPI = 33
"""The one level-triggered SPI of the standard set-up."""
DEFAULT_PRIORITY = 0xA0
FIRST_STANDING = 36
"""SPIs from here on may be standing pending interrupts."""
SGI_LIST_LIMIT = 16
"""Targets that one ICC_SGI1R target list can name: those of one cluster."""


def group_enable(gic: int) -> int:
    """Return the bit of the interface's control register that enables the group which KVM's interrupts are in."""
    return arch.CTLR_GROUP0 if gic == 2 else arch.CTLR_GROUP1


def distributor_enable(gic: int) -> int:
    """Return the value of GICD_CTLR that enables the distributor for those interrupts."""
    return 1 if gic == 2 else 2


def usable_irqs(config: VmConfig) -> int:
    """Return how many INTIDs the guest may use: 1020..1023 are reserved."""
    return min(config.irqs, arch.FIRST_RESERVED)


@cache
def _register(gic: int, redistributor: bool, name: str) -> tuple[int, int]:
    """Return (offset, bits per interrupt or 0) of a register by its bare name. Raises LineError."""
    if name == "TARGET":
        name = "ITARGETSR" if gic == 2 else "IROUTER"
    table = arch.DISTRIBUTOR_V2 if gic == 2 else arch.DISTRIBUTOR_V3
    names = [f"GICD_{name}"]
    if redistributor:
        table, names = arch.REDISTRIBUTOR, [f"GICR_{name}", f"GICR_{name}0"]
    for offset, _, full_name, bits in table:
        if full_name in names:
            return offset, bits
    raise LineError(f"register {name!r}: not one of the {'redistributor' if redistributor else 'distributor'}")


def _place(config: VmConfig, name: str, intid: int, vcpu: int) -> tuple[str, int, int]:
    """Return (frame, byte offset of the interrupt's field, bits per field) of a register for an access by `vcpu`."""
    offset, bits = _register(config.gic, False, name)
    if config.gic == 3 and bits and intid < arch.FIRST_SPI and name not in ("ITARGETSR", "IROUTER", "TARGET"):
        offset, bits = _register(3, True, name)
        return f"r{vcpu}", offset + intid * bits // 8, bits
    return "d", offset + intid * bits // 8, bits


def _number(field: str, word: str, most: int = (1 << 64) - 1) -> int:
    try:
        number = int(word, 0)
    except ValueError:
        raise LineError(f"{field} {word!r}: expected a number") from None
    if not 0 <= number <= most:
        raise LineError(f"{field} {word!r}: expected a number from 0 to {most:,}")
    return number


def _configuration_word(intid: int, edge: bool) -> int:
    first = intid & ~15
    value = 0
    for index in range(16):
        is_edge = edge if first + index == intid else first + index != LEVEL_SPI
        value |= (2 if is_edge else 0) << 2 * index
    return value


def _sgi(config: VmConfig, sender: int, intid: int, target: str) -> str:
    if config.gic == 2:
        modes = {"others": 1 << 24, "self": 2 << 24, "all": ((1 << config.vcpus) - 1) << 16}
        value = modes[target] if target in modes else 1 << 16 + _number("TO", target, MAX_VCPUS - 1)
        return f"mmio_w {sender} d 0xf00 4 {value | intid:#x}"
    if target == "others":
        value = 1 << arch.SGI1R_IRM_SHIFT
    elif target == "all":
        value = (1 << min(config.vcpus, SGI_LIST_LIMIT)) - 1
    else:
        vcpu = sender if target == "self" else _number("TO", target, MAX_VCPUS - 1)
        value = 1 << (vcpu & 15) | (vcpu >> 4 & 0xFF) << arch.SGI1R_AFF1_SHIFT
    return f"sgi1r {sender} {value | intid << arch.SGI1R_INTID_SHIFT:#x}"


def _route(config: VmConfig, intid: int, target: int, vcpu: int) -> str:
    if config.gic == 2:
        return f"mmio_w {vcpu} d {0x800 + intid:#x} 1 {1 << target:#x}"
    return f"mmio_w {vcpu} d {0x6000 + 8 * intid:#x} 8 {int(arch.affinity_of(target)):#x}"


_BRACES = re.compile(r"\{(\w+)\}|[{}]")


def fill(line: str, names: Mapping[str, int]) -> str:
    """Return a line with each {name} replaced by its number. Raises LineError for any other use of braces."""

    def number(found: re.Match[str]) -> str:
        name = found.group(1)
        if name not in names:
            brace = f"{{{name}}}" if name else found.group()
            raise LineError(f"{brace!r}: unknown name in braces, expected {{{'}, {'.join(names)}}}")
        return str(names[name])

    return _BRACES.sub(number, line)


@cache
def _names(config: VmConfig, scene: LpiScene) -> Mapping[str, int]:
    """Return what is written for a number in a configuration, by name."""
    return {
        **(scene.names() if config.its else {}),
        "last": config.vcpus - 1,
        "last_bit": 1 << (config.vcpus - 1 & 7),
        "top": usable_irqs(config) - 1,
        "eoimode1": group_enable(config.gic) | arch.CTLR_EOIMODE,
        "vcpus": config.vcpus,
        "lrs": config.lrs,
        "irqs": config.irqs,
        "enable": distributor_enable(config.gic),
        "group": group_enable(config.gic),
    }


def _accessing(words: list[str]) -> tuple[list[str], int]:
    """Return a line's words without ` by VCPU`, and the vCPU that makes the access."""
    if len(words) > 2 and words[-2] == "by":
        return words[:-2], _number("VCPU", words[-1], MAX_VCPUS - 1)
    return words, 0


def translate(line: str, config: VmConfig, scene: LpiScene = DEFAULT_SCENE) -> str:
    """Return the trace line that `line` means in a configuration (`@ack` is left). Raises LineError.

    scene: what the names of LPIs mean. Lines that are several operations are not for here: see `trace_lines`.
    """
    text = fill(line, _names(config, scene))
    words = text.split()
    if not words:
        raise LineError("empty line")
    if words[0] in KIND_NAMES:
        return text
    words, vcpu = _accessing(words)
    wanted = {"set": 3, "put": 4, "byte": 4, "get": 3, "configure": 3, "route": 3, "sgi": 4}
    if words[0] not in wanted:
        raise LineError(f"unknown word {words[0]!r}, expected an operation of the trace format or {', '.join(wanted)}")
    if len(words) != wanted[words[0]]:
        raise LineError(f"{words[0]}: {len(words) - 1} arguments, expected {wanted[words[0]] - 1}")
    if words[0] == "sgi":
        return _sgi(config, _number("SENDER", words[1]), _number("INTID", words[2]), words[3])
    if words[0] == "route":
        return _route(config, _number("INTID", words[1]), _number("VCPU", words[2], MAX_VCPUS - 1), vcpu)
    if words[0] == "configure":
        intid = _number("INTID", words[1])
        frame, offset, _ = _place(config, "ICFGR", intid, vcpu)
        return f"mmio_w {vcpu} {frame} {offset & ~3:#x} 4 {_configuration_word(intid, words[2] == 'edge'):#x}"
    span = words[2].split("..")
    intid = _number("INTID", span[0])
    frame, offset, bits = _place(config, words[1], intid, vcpu)
    if words[0] == "get":
        size = 8 if bits == 64 else 4
        return f"mmio_r {vcpu} {frame} {offset & ~(size - 1):#x} {size}"
    if words[0] == "byte":
        return f"mmio_w {vcpu} {frame} {offset:#x} 1 {_number('VALUE', words[3]):#x}"
    if words[0] == "put":
        return f"mmio_w {vcpu} {frame} {offset & ~3:#x} 4 {_number('VALUE', words[3]):#x}"
    if bits != 1:
        raise LineError(f"set {words[1]}: expected a register with one bit an interrupt")
    value = 0xFFFFFFFF if len(span) == 2 else 1 << (intid & 31)
    return f"mmio_w {vcpu} {frame} {offset & ~3:#x} 4 {value:#x}"


_OF_LPIS = ("its", "property", "msis")


def trace_lines(lines: Sequence[str], config: VmConfig, scene: LpiScene = DEFAULT_SCENE) -> list[str]:
    """Return the trace lines of a list of lines, `@ack` resolved to operation numbers counted from 1 in this list."""
    result: list[str] = []
    last_ack = 0
    of_lpis = LpiLines(scene)
    for line in lines:
        words = line.split()
        if words and words[0] in _OF_LPIS:
            if not config.its:
                raise LineError(f"{words[0]}: expected a configuration with its=1")
            result += of_lpis.lines(fill(line, _names(config, scene)).split())
            continue
        number = len(result) + 1
        text = translate(line, config, scene)
        if "@ack" in text:
            if not last_ack:
                raise LineError("@ack: expected an ack before it")
            text = text.replace("@ack", f"@{last_ack}")
        if text.startswith("ack "):
            last_ack = number
        result.append(text)
    return result


def rows_to_ops(rows: Iterable[tuple[int, ...]]) -> np.ndarray:
    """Return operations (array of kvmarm.trace.OP) from rows of its fields without `line`."""
    return np.array([(*row, 0) for row in rows], OP)


def compile_lines(lines: Sequence[str], config: VmConfig, where: str, scene: LpiScene = DEFAULT_SCENE) -> np.ndarray:
    """Return the operations (array of kvmarm.trace.OP) of a list of lines. Raises UsageError, `where` first."""
    rows: list[tuple[int, ...]] = []
    line = ""
    try:
        for line in trace_lines(lines, config, scene):
            row = parse_line(line, config, [row[0] for row in rows])
            if row is None:
                raise LineError("a comment is no operation")
            rows.append(row)
    except LineError as error:
        raise UsageError(f"{where}: line {len(rows) + 1} {line!r}: {error}") from error
    return rows_to_ops(rows)
