# SPDX-License-Identifier: GPL-2.0-only
"""Instructions of a world switch's program: their classes, and the micro-operations that move values between slots."""

from dataclasses import dataclass

CLASSES = (
    *("gpr_save", "gpr_restore", "sysreg_read", "sysreg_write", "mem_load", "mem_store", "fp_save", "fp_restore"),
    *("gich_read", "gich_write", "branch", "branch_taken", "barrier", "eret", "hvc", "alu", "other"),
)
"""Instruction classes, in the order they are reported."""

VISIBLE_CLASSES = frozenset(("sysreg_read", "sysreg_write", "gich_read", "gich_write", "barrier", "eret", "hvc"))
"""What the hardware sees: the order of these is the order of a reported sequence."""

CLASS_INDEX = {name: index for index, name in enumerate(CLASSES)}

EXCEPTION = "(hardware: exception taken to EL2)"

MASK64 = (1 << 64) - 1

# Micro-operations: (kind, destination slot, source slot, a, b).
MOVE = 0  # destination = source
SET = 1  # destination = source & a | b
MERGE = 2  # destination = source | slot a
FIELD = 3  # destination = (source >> (b & 63) & a) << (b >> 8)
MARK = 4  # destination |= b, if source & a
TEST_ZERO = 5  # destination = (source & a == 0)
ELRSR = 6  # destination = empty list registers of those from slot `source` on: a of them; b as below
EISR = 7  # the same for list registers that ended with EOI maintenance wanted
MISR = 8  # destination = maintenance status; as above
BRANCH = 9  # to operation `destination`, always
BRANCH_IF = 10  # ... if source & a == b
BRANCH_UNLESS = 11  # ... if source & a != b
BRANCH_SAME = 12  # ... if source == slot a
STOP = 13

LR_FORMAT_V3 = 1  # bit of `b` of ELRSR, EISR and MISR: GICv3 list registers; else GICv2

Op = tuple[int, int, int, int, int]


@dataclass(frozen=True, slots=True)
class Instruction:
    """One line of a program.

    `counts`: pairs of class index and number executed, empty for a branch and for what hardware does by itself.
    `name`: what a sequence shows of it (a register, a barrier), None when the hardware does not see it.
    `target`: index of the instruction a branch goes to. `ops`: its micro-operations.
    `piece`, `group`: what it is part of, and the register group of that. `note`: a remark.
    """

    text: str
    counts: tuple[tuple[int, int], ...]
    ops: tuple[Op, ...] = ()
    name: str | None = None
    target: int | None = None
    group: str = ""
    piece: str = ""
    note: str = ""

    @property
    def visible(self) -> tuple[str, str] | None:
        """The (class, name) that the hardware sees, or None."""
        return (CLASSES[self.counts[0][0]], self.name) if self.name is not None else None

    @property
    def counted_branch(self) -> bool:
        """Whether this is a branch of the real code, not a fork that the model needs (its text is in brackets)."""
        return self.target is not None and self.text[0] != "("

    @property
    def takes_exception(self) -> bool:
        """Whether this is the hardware's entry into EL2 from the guest (the host's own is the class `hvc`)."""
        return self.text == EXCEPTION


@dataclass(frozen=True)
class Program:
    """A phase of a world switch."""

    name: str
    instructions: tuple[Instruction, ...]
