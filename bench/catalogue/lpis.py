# SPDX-License-Identifier: GPL-2.0-only
"""The scene that transitions of LPIs start from, and the words for commands of the ITS.

A scene is a number of LPIs, spread over a number of devices, and the position in the lists of the one that is watched:
what linear lists cost depends on these three. LPIs are mapped in ascending order, device by device, each device with as
many events as the others or one more; LPI 8192 + n is the n-th of them. Collection 0 goes to vCPU 0, collection 1 to
the last vCPU. All LPIs are enabled with priority 0xa0 and go to vCPU 0; pending tables are zero.

Guest memory: properties, pending tables, command queue, device table and collection table, each with room for more than
a VM can have.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from kvmarm.config import MAX_LPIS, RAM_BASE, VmConfig
from kvmarm.errors import UsageError
from kvmarm.gic import FIRST_LPI
from kvmarm.trace import GMEM_W, MMIO_W, LineError

POSITIONS = ("first", "middle", "last")
MOST_DEVICES = 256
PROPERTY = 0xA1
"""Priority 0xa0, enabled."""
_PROPERTIES, _PENDING, _QUEUE, _DEVICES, _COLLECTIONS = (
    RAM_BASE + offset for offset in (0, 0x10_0000, 0x20_0000, 0x30_0000, 0x31_0000)
)
_TRANSLATIONS, _EVENT_BITS = RAM_BASE + 0x80_0000, 15
"""Where MAPD says that the devices' translations are, and for how many bits of an event, less 1. All share a table: no
design reads it, and those that write it write zeros."""
_PENDING_BYTES = 0x1_0000
"""The VM's vCPUs share a pending table each with those 16 further on: all are zero."""
_QUEUE_PAGES = 256
_COMMAND_BYTES = 32
_VALID = 1 << 63
_ITS = -2
_ID_BITS = 15
"""PROPBASER: 16 bits of INTID, less 1."""

_COMMANDS = {
    "MOVI": (0x01, "dec"), "INT": (0x03, "de"), "CLEAR": (0x04, "de"), "SYNC": (0x05, "t"), "MAPD": (0x08, "dv"),
    "MAPC": (0x09, "ctv"), "MAPTI": (0x0A, "delc"), "MAPI": (0x0B, "dec"), "INV": (0x0C, "de"), "INVALL": (0x0D, "c"),
    "MOVALL": (0x0E, "tu"), "DISCARD": (0x0F, "de"),
}  # fmt: skip
"""Opcode and arguments: d device, e event, l LPI, c collection, t target vCPU, u second target, v valid (0 or 1)."""
_PLACES = {"d": (0, 32), "e": (1, 0), "l": (1, 32), "c": (2, 0), "t": (2, 16), "u": (3, 16), "v": (2, 63)}
"""Doubleword and lowest bit of an argument."""
_WIDTHS = {"c": 16}
"""Bits of an argument that has fewer than 32."""
_ARGUMENTS = {
    "d": "DEVICE", "e": "EVENT", "l": "LPI", "c": "COLLECTION", "t": "VCPU", "u": "TO_VCPU", "v": "VALID",
}  # fmt: skip

_WORDS = {"d": "device", "e": "event", "l": "LPI", "c": "collection", "t": "vCPU", "u": "to vCPU"}


@dataclass(frozen=True)
class LpiScene:
    """How many LPIs of how many devices are mapped, and which of them is watched (`position`: one of POSITIONS).

    Raises UsageError when there are more devices than LPIs, or more of either than a VM can have.
    """

    lpis: int = 16
    devices: int = 1
    position: str = "first"

    def __post_init__(self) -> None:
        # A transition may map one more.
        if not 1 <= self.lpis <= MAX_LPIS:
            raise UsageError(f"lpis={self.lpis}: expected 1..{MAX_LPIS}")
        if not 1 <= self.devices <= min(self.lpis, MOST_DEVICES):
            raise UsageError(
                f"devices={self.devices}: expected 1..{min(self.lpis, MOST_DEVICES)} with lpis={self.lpis}"
            )
        if self.position not in POSITIONS:
            raise UsageError(f"position={self.position}: expected one of {', '.join(POSITIONS)}")

    def __str__(self) -> str:
        return f"lpis={self.lpis},devices={self.devices},position={self.position}"

    @property
    def index(self) -> int:
        """Return which LPI is watched, counted from 0."""
        return {"first": 0, "middle": self.lpis // 2, "last": self.lpis - 1}[self.position]

    def place(self, index: int) -> tuple[int, int]:
        """Return (device, event) of the LPI `index`, counted from 0."""
        least, more = divmod(self.lpis, self.devices)
        if index < more * (least + 1):
            return divmod(index, least + 1)
        device, event = divmod(index - more * (least + 1), least)
        return more + device, event

    def events(self, device: int) -> int:
        """Return how many events of a device are mapped."""
        least, more = divmod(self.lpis, self.devices)
        return least + (device < more)

    def names(self) -> Mapping[str, int]:
        """Return what is written for a number in a line, by name."""
        device, event = self.place(self.index)
        return {
            "lpi": FIRST_LPI + self.index,
            "device": device,
            "event": event,
            "last_event": self.events(device) - 1,
            "new_event": self.events(device),
            "new_lpi": FIRST_LPI + self.lpis,
            "lpis": self.lpis,
        }


DEFAULT_SCENE = LpiScene()


def _number(name: str, word: str) -> int:
    try:
        number = int(word, 0)
    except ValueError:
        raise LineError(f"{name} {word!r}: expected a number") from None
    if not 0 <= number < 1 << 32:
        raise LineError(f"{name} {word!r}: expected a number of at most 32 bits")
    return number


def command(name: str, arguments: Sequence[str]) -> tuple[int, int, int, int]:
    """Return the four doublewords of a command of the ITS. Raises LineError."""
    if name not in _COMMANDS:
        raise LineError(f"its {name}: unknown command, expected one of {', '.join(_COMMANDS)}")
    opcode, letters = _COMMANDS[name]
    if len(arguments) != len(letters):
        wanted = " ".join(_ARGUMENTS[letter] for letter in letters)
        raise LineError(f"its {name}: {len(arguments)} arguments, expected {len(letters)} ({wanted})")
    words = [opcode, 0, 0, 0]
    for letter, argument in zip(letters, arguments, strict=True):
        place, shift = _PLACES[letter]
        words[place] |= _number(_ARGUMENTS[letter], argument) << shift
    if name == "MAPD" and words[2]:
        words[1], words[2] = words[1] | _EVENT_BITS, words[2] | _TRANSLATIONS
    return words[0], words[1], words[2], words[3]


def describe_command(words: Sequence[int]) -> str:
    """Return a command of the ITS (four doublewords) in words, such as `INV device 8, event 1`."""
    for name, (opcode, letters) in _COMMANDS.items():
        if words[0] & 0xFF == opcode:
            parts = [f"{_WORDS[letter]} {_argument(words, letter)}" for letter in letters if letter != "v"]
            if "v" in letters and not words[2] >> 63:
                name += " (unmap)"
            return " ".join([name, ", ".join(parts)]).strip()
    return f"unknown command {words[0] & 0xFF:#x}"


def _argument(words: Sequence[int], letter: str) -> int:
    place, shift = _PLACES[letter]
    return words[place] >> shift & ((1 << _WIDTHS.get(letter, 32)) - 1)


class LpiLines:
    """Turns lines about LPIs into trace lines; keeps where in the command queue the next command goes."""

    def __init__(self, scene: LpiScene) -> None:
        self._scene = scene
        self._next = _COMMAND_BYTES * len(_commands(scene))

    def lines(self, words: Sequence[str]) -> list[str]:
        """Return the trace lines of one line: `its COMMAND ARGUMENT…`, `property LPI BYTE` or `msis N`."""
        if words[0] == "its":
            if len(words) < 2:
                raise LineError("its: expected a command")
            return self._command(command(words[1], words[2:]))
        wanted = 3 if words[0] == "property" else 2
        if len(words) != wanted:
            raise LineError(f"{words[0]}: {len(words) - 1} arguments, expected {wanted - 1}")
        if words[0] == "property":
            return [_property(_number("LPI", words[1]), _number("BYTE", words[2]))]
        number = _number("N", words[1])
        if number > self._scene.lpis:
            raise LineError(f"msis {number}: there are {self._scene.lpis} LPIs")
        others = [index for index in range(number) if index != self._scene.index]
        chosen = [self._scene.index, *others][:number]
        return ["msi {} {}".format(*self._scene.place(index)) for index in chosen]

    def _command(self, words: Sequence[int]) -> list[str]:
        lines = [f"gmem_w {_QUEUE + self._next + 8 * place:#x} {word:#x}" for place, word in enumerate(words)]
        self._next += _COMMAND_BYTES
        return [*lines, f"mmio_w 0 i 0x88 8 {self._next:#x}"]


def _property(lpi: int, byte: int) -> str:
    """Return the store that gives one LPI a property byte, those next to it in its doubleword the usual one."""
    if lpi < FIRST_LPI:
        raise LineError(f"property: LPI {lpi}: expected {FIRST_LPI} or more")
    value = _usual_properties() & ~(0xFF << 8 * (lpi & 7)) | (byte & 0xFF) << 8 * (lpi & 7)
    return f"gmem_w {_PROPERTIES + (lpi - FIRST_LPI & ~7):#x} {value:#x}"


def _usual_properties() -> int:
    return int.from_bytes(bytes([PROPERTY] * 8), "little")


@lru_cache(maxsize=16)
def _commands(scene: LpiScene, last: int = 0) -> list[tuple[int, int, int, int]]:
    """Return the commands that map the collections, devices and LPIs of a scene; `last`: the last vCPU."""
    result = [command("MAPC", ("0", "0", "1")), command("MAPC", ("1", str(last), "1"))]
    result += [command("MAPD", (str(device), "1")) for device in range(scene.devices)]
    for index in range(scene.lpis):
        device, event = scene.place(index)
        result.append(command("MAPTI", (str(device), str(event), str(FIRST_LPI + index), "0")))
    return result


@lru_cache(maxsize=16)
def lpi_set_up(config: VmConfig, scene: LpiScene) -> list[tuple[int, ...]]:
    """Return the rows (fields of kvmarm.trace.OP without `line`) that set a scene up after the standard set-up."""

    def store(region: int, offset: int, size: int, value: int) -> tuple[int, ...]:
        return MMIO_W, max(region, 0), region, offset, size, value, 0

    rows = [store(0, 0x70, 8, _PROPERTIES | _ID_BITS)]
    for vcpu in range(config.vcpus):
        rows.append(store(vcpu, 0x78, 8, _PENDING + vcpu % 16 * _PENDING_BYTES))
        rows.append(store(vcpu, 0x0, 4, 1))
    for offset, value in ((0x100, _DEVICES), (0x108, _COLLECTIONS), (0x80, _QUEUE | _QUEUE_PAGES - 1)):
        rows.append(store(_ITS, offset, 8, _VALID | value))
    rows.append(store(_ITS, 0x0, 4, 1))
    for first in range(0, scene.lpis + 8, 8):
        rows.append((GMEM_W, 0, _PROPERTIES + first, 0, 0, _usual_properties(), 0))
    commands = _commands(scene, config.vcpus - 1)
    for number, words in enumerate(commands):
        for place, word in enumerate(words):
            rows.append((GMEM_W, 0, _QUEUE + _COMMAND_BYTES * number + 8 * place, 0, 0, word, 0))
    rows.append(store(_ITS, 0x88, 8, _COMMAND_BYTES * len(commands)))
    return rows
