# SPDX-License-Identifier: GPL-2.0-only
"""The ITS's commands in a trace: what the guest put into its queue, read as the trace continues.

Nothing here asks a design. Guest memory and GITS_CWRITER are followed, so that a command can be shown in words, and an
MSI's LPI is known.
"""

from collections.abc import Mapping

from bench.catalogue.lpis import describe_command
from kvmarm.trace import GMEM_W, MMIO_W

_ITS = -2
_CBASER, _CWRITER = 0x80, 0x88
_MAPTI, _MAPI, _COMMAND = 0x0A, 0x0B, 32


class ItsWatch:
    """Follows the operations of a trace. lpis: (device, event) -> LPI, as commands mapped them."""

    def __init__(self) -> None:
        self._memory: dict[int, int] = {}
        self._queue = self._size = self._done = 0
        self.lpis: dict[tuple[int, int], int] = {}

    def follow(self, op: Mapping[str, int], value: int) -> list[str]:
        """Take one operation (fields of kvmarm.trace.OP, `@K` resolved); return the commands it runs, in words."""
        if op["kind"] == GMEM_W:
            self._memory[op["a"]] = value
        if op["kind"] != MMIO_W or op["a"] != _ITS:
            return []
        if op["b"] == _CBASER:
            self._queue, self._size, self._done = value & 0xFFFF_FFFF_F000, ((value & 0xFF) + 1) * 0x1000, 0
        if op["b"] != _CWRITER or value & 0xF_FFE0 >= self._size:
            return []
        found = []
        while self._done != value & 0xF_FFE0:
            words = [self._memory.get(self._queue + self._done + 8 * place, 0) for place in range(4)]
            found.append(describe_command(words))
            self._learn(words)
            self._done = (self._done + _COMMAND) % self._size
        return found

    def _learn(self, words: list[int]) -> None:
        opcode, key = words[0] & 0xFF, (words[0] >> 32, words[1] & 0xFFFFFFFF)
        if opcode in (_MAPTI, _MAPI):
            self.lpis.setdefault(key, words[1] >> 32 if opcode == _MAPTI else key[1])
