# SPDX-License-Identifier: GPL-2.0-only
"""Random traces of VMs with an ITS: legal and illegal commands, tables at their edges and beyond, queues that wrap.

A guest sets its tables up in one of several ways, good or bad. Then commands, MSIs, entries, exits and accesses
come at random. What the guest may do wrong it does wrong now and then: table addresses that are no memory, ids beyond a
table, level-1 entries that are not valid, targets that do not exist, LPIs out of range, commands that are none.
"""

import random

from kvmarm.config import RAM_BASE, RAM_BYTES, VmConfig

_END = RAM_BASE + RAM_BYTES
_PROPERTIES, _PENDING, _QUEUE = RAM_BASE, RAM_BASE + 0x10_0000, RAM_BASE + 0x20_0000
_DEVICES, _LEVEL2, _COLLECTIONS = RAM_BASE + 0x30_0000, RAM_BASE + 0x31_0000, RAM_BASE + 0x40_0000
_VALID = 1 << 63
MAPD, MAPC, MAPTI, MAPI, MOVI, MOVALL, DISCARD, CLEAR, INV, INVALL, INT, SYNC = (
    0x08, 0x09, 0x0A, 0x0B, 0x01, 0x0E, 0x0F, 0x04, 0x0C, 0x0D, 0x03, 0x05,
)  # fmt: skip


class ItsTraceMaker:
    """One random trace; `text()` is the whole of it. `seed` decides everything."""

    def __init__(self, seed: int, operations: int = 300) -> None:
        self.rng = rng = random.Random(seed)
        self.config = VmConfig(3, rng.choice((1, 2, 3, 5, 17)), rng.choice((64, 96)), rng.choice((1, 2, 4, 16)), 1)
        self.lines = [f"config {self.config}"]
        self.in_guest = [False] * self.config.vcpus
        self.acks: list[int] = []
        self.pages = rng.choice((1, 1, 1, 2, 16))
        self.written = 0
        self.devices = rng.sample((0, 1, 2, 5, 8191, 8192, 16383, 16384, 65535, 65536, 1 << 20, 0xFFFFFFFF), 5)
        self.collections = rng.sample((0, 1, 2, 3, 8191, 8192, 0xFFFF), 4)
        self.events = rng.sample((0, 1, 2, 3, 4, 8192, 8200, 65535, 0xFFFFFFFF), 5)
        self.lpis = rng.sample((8192, 8193, 8194, 8199, 8200, 16383, 16384, 65535, 65536, 8191, 0, 1 << 31), 7)
        self._set_up()
        while len(self.lines) < operations:
            self._operation()

    def text(self) -> str:
        """Return the trace as text."""
        return "\n".join(self.lines) + "\n"

    def _emit(self, line: str) -> None:
        self.lines.append(line)

    def _outside(self) -> int | None:
        choices = [vcpu for vcpu, inside in enumerate(self.in_guest) if not inside]
        return self.rng.choice(choices) if choices else None

    def _write(self, region: str, offset: int, size: int, value: int) -> None:
        vcpu = self._outside()
        if vcpu is not None:
            self._emit(f"mmio_w {vcpu} {region} {offset:#x} {size} {value & (1 << 8 * size) - 1:#x}")

    def _set_up(self) -> None:
        rng = self.rng
        bits = rng.choice((12, 13, 14, 15, 15, 15, 31))
        base = rng.choice((_PROPERTIES, _PROPERTIES, _PROPERTIES, _END - 0x1000, 0x8000_0000))
        self._emit("mmio_w 0 d 0x0 4 2")
        self._write("r0", 0x70, 8, base | bits | rng.getrandbits(64) & 0xFF << 52)
        for vcpu in range(self.config.vcpus):
            table = rng.choice((_PENDING + vcpu * 0x10000, _PENDING + vcpu * 0x10000, _END - 0x10000, _END))
            self._write(f"r{vcpu}", 0x78, 8, table | rng.choice((0, 1 << 62)))
            for word in range(2):
                if table < _END:
                    self._emit(f"gmem_w {table + 0x400 + 8 * word:#x} {rng.getrandbits(64):#x}")
        for word in range(3):
            self._emit(f"gmem_w {_PROPERTIES + 8 * word:#x} {rng.getrandbits(64) | 0x0101010101010101:#x}")
        indirect = rng.choice((0, 0, 1 << 62))
        pages = rng.choice((0, 0, 1, 7, 8))
        table = rng.choice((_DEVICES, _DEVICES, _DEVICES, _END - 0x10000, 0x5000_0000))
        self._write("i", 0x100, 8, _VALID | indirect | table | pages | rng.getrandbits(3) << 59)
        if indirect and table < _END:
            for index in range(4):
                entry = rng.choice((_LEVEL2, _LEVEL2 + 0x10000, _END - 0x10000, _END, 0))
                self._emit(f"gmem_w {table + 8 * index:#x} {entry | rng.choice((_VALID, _VALID, 0)):#x}")
        self._write("i", 0x108, 8, _VALID | rng.choice((_COLLECTIONS, _COLLECTIONS, 0)) | rng.choice((0, 0, 7)))
        self.queue = rng.choice((_QUEUE, _QUEUE, _QUEUE, _END - 0x10000, _END))
        self._write("i", 0x80, 8, _VALID | self.queue | self.pages - 1)
        if rng.random() < 0.9:
            self._write("i", 0x0, 4, 1)
        for vcpu in range(self.config.vcpus):
            if rng.random() < 0.85:
                self._write(f"r{vcpu}", 0x0, 4, 1)
        self._commands([self._map_device(device) for device in self.devices])
        self._commands([self._map_collection(collection) for collection in self.collections])
        self._commands([self._map_event() for _ in range(8)])

    def _map_device(self, device: int) -> tuple[int, int, int, int]:
        return MAPD | device << 32, self.rng.getrandbits(5), self.rng.choice((_VALID, _VALID, _VALID, 0)), 0

    def _vcpu(self) -> int:
        return self.rng.choice((*range(self.config.vcpus), self.config.vcpus) if self.rng.random() < 0.2 else (0,))

    def _map_collection(self, collection: int) -> tuple[int, int, int, int]:
        target = self.rng.randrange(self.config.vcpus) if self.rng.random() < 0.8 else self._vcpu()
        return MAPC, 0, self.rng.choice((_VALID, _VALID, _VALID, 0)) | target << 16 | collection, 0

    def _named(self, opcode: int, lpi: int = 0) -> tuple[int, int, int, int]:
        rng = self.rng
        device, event, collection = rng.choice(self.devices), rng.choice(self.events), rng.choice(self.collections)
        return opcode | device << 32, event | lpi << 32, collection, 0

    def _map_event(self) -> tuple[int, int, int, int]:
        return self._named(MAPI) if self.rng.random() < 0.15 else self._named(MAPTI, self.rng.choice(self.lpis))

    def _command(self) -> tuple[int, int, int, int]:
        rng = self.rng
        kind = rng.choice(
            (MAPD, MAPC, MAPTI, MAPTI, MAPTI, MOVI, MOVI, MOVALL, DISCARD, CLEAR, INV, INVALL, INT, INT, -1)
        )
        if kind == MAPD:
            return self._map_device(rng.choice(self.devices))
        if kind == MAPC:
            return self._map_collection(rng.choice(self.collections))
        if kind == MAPTI:
            return self._map_event()
        if kind == MOVALL:
            return MOVALL, 0, rng.randrange(self.config.vcpus + 1) << 16, rng.randrange(self.config.vcpus + 1) << 16
        if kind == -1:
            return rng.choice((SYNC, 0, 0xFF, rng.getrandbits(64))), rng.getrandbits(64), rng.getrandbits(64), 0
        return self._named(kind)

    def _commands(self, commands: list[tuple[int, int, int, int]]) -> None:
        """Write commands into the queue and hand them over; what came before a jump of CWRITER is left behind."""
        size = self.pages * 0x1000
        for command in commands:
            for number, word in enumerate(command):
                address = self.queue + self.written + 8 * number
                if address < _END:
                    self._emit(f"gmem_w {address:#x} {word:#x}")
            self.written = (self.written + 32) % size
        self._write("i", 0x88, self.rng.choice((4, 8)), self.written)

    def _operation(self) -> None:
        choice = self.rng.choices(
            (self._some_commands, self._msi, self._enter, self._leave, self._ack, self._finish, self._memory,
             self._register, self._read, self._enable, self._query, self._jump, self._inject),
            (12, 22, 14, 14, 14, 12, 6, 4, 5, 4, 3, 1, 3),
        )[0]  # fmt: skip
        choice()

    def _some_commands(self) -> None:
        self._commands([self._command() for _ in range(self.rng.choice((1, 1, 2, 4)))])

    def _jump(self) -> None:
        """Move CWRITER to anywhere: the queue is run round, over what is left there of old commands."""
        self.written = self.rng.randrange(0, self.pages * 0x1000, 32)
        self._write("i", 0x88, 8, self.rng.choice((self.written, self.pages * 0x1000, 0xF_FFE0)))

    def _msi(self) -> None:
        device, event = self.rng.choice(self.devices), self.rng.choice(self.events)
        self._emit(f"msi {device} {event}")

    def _enter(self) -> None:
        vcpu = self._outside()
        if vcpu is None:
            return
        self._emit(f"flush {vcpu}")
        self.in_guest[vcpu] = True
        if self.rng.random() < 0.6:
            self._emit(f"pmr {vcpu} {self.rng.choice((0xF8, 0xF8, 0xA0)):#x}")
            self._emit(f"ctlr {vcpu} {self.rng.choice((2, 2, 0x202)):#x}")

    def _inside(self) -> int | None:
        choices = [vcpu for vcpu, inside in enumerate(self.in_guest) if inside]
        return self.rng.choice(choices) if choices else None

    def _leave(self) -> None:
        vcpu = self._inside()
        if vcpu is not None:
            self._emit(f"sync {vcpu}")
            self.in_guest[vcpu] = False

    def _ack(self) -> None:
        vcpu = self._inside()
        if vcpu is not None:
            self._emit(f"ack {vcpu}")
            self.acks.append(len(self.lines) - 1)

    def _finish(self) -> None:
        vcpu = self._inside()
        if vcpu is not None:
            name = self.rng.choice(("eoi", "eoi", "eoi", "dir"))
            value = f"@{self.rng.choice(self.acks[-3:])}" if self.acks and self.rng.random() < 0.9 else "0x2001"
            self._emit(f"{name} {vcpu} {value}")

    def _memory(self) -> None:
        rng = self.rng
        place = rng.choice((_PROPERTIES + 8 * rng.randrange(3), _PENDING + 0x400 + 0x10000 * rng.randrange(3),
                            _DEVICES + 8 * rng.randrange(4), _END - 8))  # fmt: skip
        if rng.random() < 0.3:
            self._emit(f"gmem_r {place:#x}")
        else:
            self._emit(f"gmem_w {place:#x} {rng.getrandbits(64) | rng.choice((0, 0x0101010101010101)):#x}")

    def _register(self) -> None:
        rng = self.rng
        offset = rng.choice((0x0, 0x4, 0x8, 0x80, 0x84, 0x90, 0x100, 0x104, 0x108, 0x10C, 0x110, 0x10040, 0x8C, 0xFFE8))
        size = rng.choice((4, 4, 8)) if offset % 8 == 0 else 4
        value = rng.choice((rng.getrandbits(64), 1, 0, _QUEUE, _DEVICES | _VALID))
        if offset == 0x80 and rng.random() < 0.8:
            return
        if offset == 0 and rng.random() < 0.7:
            value = 1
        self._write("i", offset, size, value)

    def _read(self) -> None:
        rng, vcpu = self.rng, self._outside()
        if vcpu is None:
            return
        region, offset = rng.choice((
            ("i", 0x0), ("i", 0x8), ("i", 0x80), ("i", 0x88), ("i", 0x90), ("i", 0x100), ("i", 0x108), ("i", 0x138),
            ("i", 0xFFE0), ("i", 0x10040), ("d", 0x4), ("r0", 0x0), ("r0", 0x8), ("r0", 0x70), ("r0", 0x78),
        ))  # fmt: skip
        self._emit(f"mmio_r {vcpu} {region} {offset:#x} {rng.choice((4, 4, 8) if offset % 8 == 0 else (4,))}")

    def _enable(self) -> None:
        rng = self.rng
        vcpu = rng.randrange(self.config.vcpus)
        if rng.random() < 0.3:
            self._write(f"r{vcpu}", rng.choice((0x70, 0x78)), rng.choice((4, 8)), rng.getrandbits(64))
        self._write(f"r{vcpu}", 0x0, 4, rng.choice((0, 1, 1)))

    def _query(self) -> None:
        vcpu = self._outside()
        if vcpu is not None:
            self._emit(f"pending {vcpu}")

    def _inject(self) -> None:
        self._emit(f"inject 0 {self.rng.choice((8192, 8193, 8194, 8199, 9000, 33))} {self.rng.choice((1, 1, 0))}")
