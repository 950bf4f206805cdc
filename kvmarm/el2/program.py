# SPDX-License-Identifier: GPL-2.0-only
"""The notation in which the two world switches are written: an assembler that builds a program.

A program is a list of instructions executed from first to last. Branches go forward only: a loop over list registers is
written out, since their number is fixed when the machine boots, as is all that the kernel patches then. An instruction
has a class, the text a reader sees, and micro-operations that move values between slots (`kvmarm.el2.slots`).

The class of a load or store follows from the address, as in the executed traces these programs are compared with:
x0..x30 of a context are `gpr_*`, its FP block `fp_*`, the GICH frame `gich_*`, the rest `mem_*`. A branch counts
as `branch` when it is conditional and not taken, else as `branch_taken`; which of the two is known when the program
runs. `alu` lines without an effect on any slot represent address arithmetic and comparisons: they cost what they cost
but move nothing. `work` lines represent what a compiler adds.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from kvmarm.el2.instructions import (
    BRANCH,
    BRANCH_IF,
    BRANCH_SAME,
    BRANCH_UNLESS,
    CLASS_INDEX,
    CLASSES,
    EISR,
    ELRSR,
    EXCEPTION,
    FIELD,
    LR_FORMAT_V3,
    MARK,
    MASK64,
    MERGE,
    MISR,
    MOVE,
    SET,
    STOP,
    TEST_ZERO,
    VISIBLE_CLASSES,
    Instruction,
    Op,
    Program,
)
from kvmarm.el2.slots import SLOTS, STACK_WORDS, resolve, slot


@dataclass
class Label:
    """A place in a program, known or to come."""

    place: int | None = None


@dataclass
class Assembler:
    """Builds one program. Registers are `x4`, contexts and memory are slot names, `xzr` reads as zero.

    vhe: HCR_EL2.E2H is set. stack: words that are on the EL2 stack already. nr_lr: list registers of the GIC.
    """

    name: str
    vhe: bool = False
    stack: int = 0
    nr_lr: int = 4
    _lines: list[Instruction] = field(default_factory=list)
    _targets: dict[int, Label] = field(default_factory=dict)
    _group: str = ""
    _piece: str = ""
    _end: Label = field(default_factory=Label)

    # -- structure -----------------------------------------------------------------------------------------------

    @contextmanager
    def piece(self, title: str, group: str) -> Iterator[None]:
        """Head the instructions of the block with a title and a register group."""
        outer = self._piece, self._group
        self._piece, self._group = title, group
        yield
        self._piece, self._group = outer

    def label(self) -> Label:
        """Return a label for branches that come before `place` puts it somewhere."""
        return Label()

    def place(self, label: Label) -> None:
        """Put a label in front of the next instruction."""
        label.place = len(self._lines)

    def finish(self) -> Program:
        """Return the program. A label that was never placed is an error of the program's author."""
        self.place(self._end)
        lines = list(self._lines)
        for index, label in self._targets.items():
            assert label.place is not None and label.place > index, (
                f"{self.name}: {lines[index].text}: no forward label"
            )
            lines[index] = replace(lines[index], target=label.place)
        return Program(self.name, tuple(lines))

    def _emit(self, text: str, klass: str | None, ops: tuple[Op, ...] = (), name: str | None = None) -> None:
        counts = () if klass is None else ((CLASS_INDEX[klass], 1),)
        self._lines.append(Instruction(text, counts, ops, name, None, self._group, self._piece))

    # -- system registers ----------------------------------------------------------------------------------------

    def mrs(self, register: str, system: str) -> None:
        """Read a system register into a general register."""
        ops = (*self._refresh(system), _move(slot(register), slot(resolve(system, self.vhe))))
        self._emit(f"mrs {register}, {system.upper()}", "sysreg_read", ops, system)

    def msr(self, system: str, register: str) -> None:
        """Write a general register (or zero, `xzr`) to a system register."""
        self._emit(
            f"msr {system.upper()}, {register}",
            "sysreg_write",
            (_from(slot(resolve(system, self.vhe)), register),),
            system,
        )

    def _refresh(self, register: str) -> tuple[Op, ...]:
        """Return the operations by which the hardware computes a read-only status register when it is read."""
        kind = (
            {"elrsr": ELRSR, "eisr": EISR, "misr": MISR}.get(register.split("_")[1][:5].rstrip("01"))
            if "_" in register
            else None
        )
        if kind is None or not register.startswith(("gich_", "ich_")):
            return ()
        if register.startswith("ich_"):
            return ((kind, slot(register), slot("ich_lr0_el2"), self.nr_lr, LR_FORMAT_V3),)
        if register.endswith("1"):
            return ((kind, slot(register), slot("gich_lr32"), max(self.nr_lr - 32, 0), 0),)
        return ((kind, slot(register), slot("gich_lr0"), min(self.nr_lr, 32), 0),)

    # -- loads and stores ----------------------------------------------------------------------------------------

    def ldr(self, register: str, *memory: str) -> None:
        """Load a word; `ldr("x4", "guest.x4")`. A `q` register is 128 bits wide."""
        self.ldp((register,), *memory)

    def str_(self, register: str, *memory: str) -> None:
        """Store a word."""
        self.stp((register,), *memory)

    def ldp(self, registers: tuple[str, ...], *memory: str) -> None:
        """Load one or two registers by one instruction."""
        ops = tuple(
            op
            for register, word in zip(registers, memory, strict=True)
            for op in (*self._refresh(word), *_wide_moves(register, word))
        )
        mnemonic = "ldp" if len(registers) > 1 else "ldr"
        self._access(mnemonic, registers, memory, ("gpr_restore", "fp_restore", "gich_read", "mem_load"), ops)

    def stp(self, registers: tuple[str, ...], *memory: str) -> None:
        """Store one or two registers by one instruction."""
        ops = tuple(op for register, word in zip(registers, memory, strict=True) for op in _wide_moves(word, register))
        mnemonic = "stp" if len(registers) > 1 else "str"
        self._access(mnemonic, registers, memory, ("gpr_save", "fp_save", "gich_write", "mem_store"), ops)

    def _access(
        self,
        mnemonic: str,
        registers: tuple[str, ...],
        memory: tuple[str, ...],
        classes: tuple[str, ...],
        ops: tuple[Op, ...],
    ) -> None:
        klass = classes[_address_kind(memory[0])]
        name = memory[0].upper() if klass.startswith("gich") else None
        self._emit(f"{mnemonic} {', '.join(registers)}, [{memory[0]}]", klass, ops, name)

    def clear(self, *memory: str) -> None:
        """Store zero to several adjacent narrow words by one instruction."""
        ops = tuple((SET, slot(word), 0, 0, 0) for word in memory)
        self._emit(f"stp xzr, xzr, [{memory[0]}]", "mem_store", ops)

    def push(self, *registers: str) -> None:
        """Push two registers (or one and padding) on the EL2 stack by one store."""
        self.stack += 2
        assert self.stack <= STACK_WORDS
        words = tuple(f"stack.{self.stack - 2 + index}" for index in range(len(registers)))
        ops = tuple(_from(slot(word), register) for register, word in zip(registers, words, strict=True))
        self._emit(f"stp {', '.join(registers)}, [sp, #-16]!", "mem_store", ops)

    def pop(self, *registers: str) -> None:
        """Pop what `push` pushed by one load; `xzr` drops a word."""
        self.stack -= 2
        ops = tuple(
            _move(slot(register), slot(f"stack.{self.stack + index}"))
            for index, register in enumerate(registers)
            if register != "xzr"
        )
        self._emit(f"ldp {', '.join(registers)}, [sp], #16", "mem_load", ops)

    # -- arithmetic ----------------------------------------------------------------------------------------------

    def alu(self, *texts: str) -> None:
        """Instructions that move no value of the machine's state: addresses, comparisons."""
        for text in texts:
            self._emit(text, "alu")

    def mov(self, register: str, value: int | str) -> None:
        """Put a constant in a register, or copy a register."""
        if isinstance(value, str):
            self._emit(f"mov {register}, {value}", "alu", (_from(slot(register), value),))
        else:
            self._emit(f"mov {register}, #{value:#x}", "alu", ((SET, slot(register), 0, 0, value & MASK64),))

    def and_(self, register: str, source: str, mask: int) -> None:
        """register = source & mask."""
        self._emit(f"and {register}, {source}, #{mask:#x}", "alu", ((SET, slot(register), slot(source), mask, 0),))

    def bic(self, register: str, source: str, mask: int) -> None:
        """register = source without the bits of mask."""
        operation = (SET, slot(register), slot(source), MASK64 & ~mask, 0)
        self._emit(f"bic {register}, {source}, #{mask:#x}", "alu", (operation,))

    def orr(self, register: str, source: str, bits: int | str) -> None:
        """register = source with the bits of a constant or of another register."""
        if isinstance(bits, str):
            operation = (MERGE, slot(register), slot(source), slot(bits), 0)
            self._emit(f"orr {register}, {source}, {bits}", "alu", (operation,))
        else:
            operation = (SET, slot(register), slot(source), MASK64 & ~bits, bits)
            self._emit(f"orr {register}, {source}, #{bits:#x}", "alu", (operation,))

    def ubfx(self, register: str, source: str, low: int, width: int, left: int = 0) -> None:
        """register = a bit field of source, moved to bit `left`."""
        operation = (FIELD, slot(register), slot(source), (1 << width) - 1, low | left << 8)
        self._emit(f"ubfx {register}, {source}, #{low}, #{width}", "alu", (operation,))

    def mark(self, register: str, bit: int, source: str, mask: int) -> None:
        """Set a bit of register if source has any bit of mask (the last of a test's instructions)."""
        operation = (MARK, slot(register), slot(source), mask, 1 << bit)
        self._emit(f"orr {register}, {register}, #1<<{bit} if {source} & {mask:#x}", "alu", (operation,))

    def cset(self, register: str, source: str, mask: int) -> None:
        """register = 1 if source has no bit of mask, else 0 (the last of a test's instructions)."""
        operation = (TEST_ZERO, slot(register), slot(source), mask, 0)
        self._emit(f"cset {register}, {source} & {mask:#x} == 0", "alu", (operation,))

    def set_quietly(self, register: str, bits: int) -> None:
        """Set bits of a register by instructions that are counted in a `work` line."""
        operation = (SET, slot(register), slot(register), MASK64 & ~bits, bits)
        self._emit(f"(sets {bits:#x} in {register}; counted below)", None, (operation,))

    # -- control -------------------------------------------------------------------------------------------------

    def _branch(self, text: str, label: Label, operation: Op) -> None:
        self._targets[len(self._lines)] = label
        self._emit(text, None, (operation,))

    def b(self, label: Label, text: str = "b") -> None:
        """Branch, always taken."""
        self._branch(text, label, (BRANCH, 0, 0, 0, 0))

    def b_if(self, text: str, label: Label, register: str, mask: int = MASK64, value: int = 0) -> None:
        """Conditional branch, taken if register & mask == value."""
        self._branch(text, label, (BRANCH_IF, 0, slot(register), mask, value))

    def b_unless(self, text: str, label: Label, register: str, mask: int = MASK64, value: int = 0) -> None:
        """Conditional branch, taken if register & mask != value."""
        self._branch(text, label, (BRANCH_UNLESS, 0, slot(register), mask, value))

    def b_same(self, text: str, label: Label, register: str, other: str) -> None:
        """Conditional branch, taken if two registers are equal."""
        self._branch(text, label, (BRANCH_SAME, 0, slot(register), slot(other), 0))

    def jump(self, text: str) -> None:
        """A taken branch to what follows here: a call, a return, a jump into a ladder, all written out in place."""
        self._emit(text, "branch_taken")

    def fall(self, text: str) -> None:
        """A conditional branch that is never taken in what this program models."""
        self._emit(text, "branch")

    def isb(self) -> None:
        """Instruction synchronisation barrier."""
        self._emit("isb", "barrier", (), "isb")

    def dsb(self, kind: str) -> None:
        """Data synchronisation barrier: `sy` or `st`."""
        self._emit(f"dsb {kind}", "barrier", (), f"dsb {kind}")

    def hvc(self) -> None:
        """Hypervisor call: the host enters EL2 by an exception."""
        ops = (
            (SET, slot("esr_el2"), 0, 0, 0x16 << 26),
            _move(slot("elr_el2"), slot("pc")),
            _move(slot("spsr_el2"), slot("pstate")),
        )
        self._emit("hvc #0", "hvc", ops, "hvc")

    def eret(self) -> None:
        """Exception return to ELR_EL2, SPSR_EL2."""
        ops = (_move(slot("pc"), slot("elr_el2")), _move(slot("pstate"), slot("spsr_el2")))
        self._emit("eret", "eret", ops, "eret")

    def ret_to_host(self) -> None:
        """The hypercall stub's return to its caller."""
        self._emit("ret", "branch_taken", (_move(slot("pc"), slot("x30")),))

    def stop(self) -> None:
        """The phase ends here, not at the program's last line."""
        self._branch("(end of phase)", self._end, (STOP, 0, 0, 0, 0))

    def nop(self, text: str = "nop") -> None:
        """An alternative that stays a nop, or any other instruction of class `other`."""
        self._emit(text, "other")

    def at(self, register: str) -> None:
        """Address translation of a guest virtual address: the hardware puts the result in PAR_EL1."""
        self._emit(f"at s1e1r, {register}", "other", (_move(slot("par_el1"), slot("event.par")),))

    def work(self, note: str, **counts: int) -> None:
        """What a compiler adds here: `counts` instructions by class; they move no value of the machine's state."""
        pairs = tuple((CLASS_INDEX[klass], number) for klass, number in counts.items() if number)
        assert all(number > 0 for _, number in pairs), (self.name, note)
        self.adjust(note, **counts)

    def adjust(self, note: str, **counts: int) -> None:
        """As `work`, but a number may be negative: so many fewer than the lines around say."""
        pairs = tuple((CLASS_INDEX[klass], number) for klass, number in counts.items() if number)
        assert all(CLASSES[index] not in VISIBLE_CLASSES for index, _ in pairs), (self.name, note)
        if pairs:
            listed = ", ".join(f"{number} {CLASSES[index]}" for index, number in pairs)
            self._lines.append(Instruction(f"({listed})", pairs, (), None, None, self._group, self._piece, note))

    # -- hardware ------------------------------------------------------------------------------------------------

    def exception(self, irq_vector: Label) -> None:
        """The hardware leaves the guest for EL2: syndrome and return state appear, an IRQ goes to its own vector."""
        saved = (_move(slot("elr_el2"), slot("pc")), _move(slot("spsr_el2"), slot("pstate")))
        mode = ((SET, slot("pstate"), 0, 0, 0x3C9),)
        self._emit(EXCEPTION, None, (*saved, *mode))
        self._branch("(hardware: IRQ vector)", irq_vector, (BRANCH_UNLESS, 0, slot("event.irq"), MASK64, 0))
        syndrome = tuple(_move(slot(f"{name}_el2"), slot(f"event.{name}")) for name in ("esr", "far", "hpfar"))
        self._emit("(hardware: syndrome registers)", None, syndrome)


def _move(destination: int, source: int) -> Op:
    return (MOVE, destination, source, 0, 0)


def _from(destination: int, register: str) -> Op:
    return (SET, destination, 0, 0, 0) if register == "xzr" else _move(destination, slot(register))


def _wide_moves(destination: str, source: str) -> tuple[Op, ...]:
    low = _move(slot(destination), slot(source)) if source != "xzr" else (SET, slot(destination), 0, 0, 0)
    if f"{destination}.hi" in SLOTS and f"{source}.hi" in SLOTS:
        return (low, _move(slot(f"{destination}.hi"), slot(f"{source}.hi")))
    return (low,)


def _address_kind(memory: str) -> int:
    if memory.startswith("gich_"):
        return 2
    owner, _, name = memory.partition(".")
    if owner in ("host", "guest"):
        if name[0] == "x" and name[1:].isdigit():
            return 0
        if name in ("fpsr", "fpcr") or (name[0] == "q" and name[1:].isdigit()):
            return 1
    return 3
