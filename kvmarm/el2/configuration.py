# SPDX-License-Identifier: GPL-2.0-only
"""What a world switch is asked to do: the machine as booted, the VM, and the moment.

A configuration is written with the keys and string values of the recorded runs (`live_lrs`, `lr_kind`, ...); every key
may be left out and has a default. `Boot` is the part that the kernel fixes when it boots (by patching instructions, by
choosing functions): a world switch's program is made from it. Everything else is values in registers and memory, on
which the program acts when it runs.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields

from kvmarm.errors import UsageError

VHE_SUFFIX = "-vhe"
"""What an implementation's name ends with where it runs with VHE: `c48` and `c48-vhe`."""

COMPILERS = ("gcc-12.2 -O2", "gcc-11.3 -O2", "gcc-12.2 -O2 -fno-jump-tables", "gcc-12.2 -Os")
LR_KINDS = ("pending", "pending+eoi_maint", "pending+hw", "eoi_maint+completed", "completed_by_guest")
EXITS = ("hvc", "irq", "dabt", "dabt_perm")

_FLAG = ("0", "1")
_CHOICES: dict[str, tuple[str, ...]] = {
    "vhe": _FLAG,
    "gic": ("v2", "v3"),
    "fp_used": _FLAG,
    "debug": ("clean", "dirty", "mdscr_mde"),
    "guest": ("aarch64", "aarch32"),
    "exit": EXITS,
    "timer": _FLAG,
    "lr_kind": LR_KINDS,
    "vgic_sre": _FLAG,
    "erratum_834220": _FLAG,
    "pan": _FLAG,
    "prio_bits": ("5", "6", "7"),
    "hyp_offset_low": _FLAG,
    "fpcr_differs": _FLAG,
    "compiler": (*COMPILERS, "assembler"),
    "phase": ("entry", "fptrap", "exit"),
}
_IGNORED = frozenset(("id", "sequence", "counts", "total"))
"""Keys of a recorded run that say what came out; a configuration may carry them."""


@dataclass(frozen=True)
class Boot:
    """What is fixed at boot; GIC version, number of list registers, and what the kernel patches."""

    gic: str = "v2"
    nr_lr: int = 4
    vhe: bool = False
    erratum_834220: bool = False
    pan: bool = False
    hyp_offset_low: bool = False
    compiler: str = COMPILERS[0]


@dataclass(frozen=True)
class Configuration:
    """One world switch: the boot options, and what the registers and the memory hold when it happens."""

    implementation: str = "asm44"
    gic: str = "v2"
    nr_lr: int = 4
    live_lrs: int = 0
    lr_kind: str = "pending"
    fp_used: bool = False
    fpcr_differs: bool = False
    debug: str = "clean"
    guest: str = "aarch64"
    exit: str = "hvc"
    timer: bool = True
    vgic_sre: bool = True
    prio_bits: int = 5
    vhe: bool = False
    erratum_834220: bool = False
    pan: bool = False
    hyp_offset_low: bool = False
    compiler: str = COMPILERS[0]
    id: str = ""

    @property
    def boot(self) -> Boot:
        """The part that is fixed at boot."""
        return Boot(**{f.name: getattr(self, f.name) for f in fields(Boot)})

    @property
    def name(self) -> str:
        """The configuration's id, or one made from its values the way recorded runs are named."""
        if self.id:
            return self.id
        parts = [self.implementation, f"gic{self.gic}", f"nlr{self.nr_lr}", f"live{self.live_lrs}"]
        parts += [f"fp{int(self.fp_used)}", f"dbg{self.debug}", "a64" if self.guest == "aarch64" else "a32"]
        parts += [self.exit, f"timer{int(self.timer)}"]
        plain = Configuration()
        for key in (
            "lr_kind",
            "fpcr_differs",
            "vgic_sre",
            "prio_bits",
            "erratum_834220",
            "pan",
            "hyp_offset_low",
            "compiler",
        ):
            value = getattr(self, key)
            if value != getattr(plain, key):
                parts.append(f"{key}={int(value) if isinstance(value, bool) else value}".replace(" ", ""))
        return "_".join(parts)

    @property
    def phases(self) -> tuple[str, ...]:
        """The phases that this configuration runs through."""
        return ("entry", "fptrap", "exit") if self.fp_used else ("entry", "exit")


def parse_configuration(values: Mapping[str, object], where: str = "configuration") -> Configuration:
    """Return the configuration that a mapping of keys to strings describes.

    `where` is named in errors. Raises UsageError for unknown keys and values, more live list registers than list
    registers, and options that exclude each other.
    """
    text: dict[str, str] = {}
    for key, value in values.items():
        if key in _IGNORED:
            continue
        if key not in _keys():
            raise UsageError(f"{where}: unknown key {key!r}; expected one of {', '.join(_keys())}")
        if not isinstance(value, (str, int)):
            raise UsageError(f"{where}: {key}: expected a string, not {value!r}")
        if value == "":
            continue  # recorded runs leave out what does not apply this way
        text[key] = str(int(value)) if isinstance(value, bool) else str(value)
        choices = _CHOICES.get(key)
        if choices and text[key] not in choices:
            raise UsageError(f"{where}: {key}: {value!r} is not one of {', '.join(choices)}")
    implementation = text.get("implementation", "asm44")
    if text.get("compiler") == "assembler":
        del text["compiler"]  # said of code that no compiler made
    vhe = text.get("vhe", str(int(implementation.endswith(VHE_SUFFIX)))) == "1"
    if implementation.endswith(VHE_SUFFIX) and not vhe:
        raise UsageError(f"{where}: vhe: implementation {implementation} runs with VHE; expected 1, not 0")
    if vhe and not implementation.endswith(VHE_SUFFIX):
        implementation += VHE_SUFFIX
    gic = text.get("gic", "v2")
    most = 64 if gic == "v2" else 16
    nr_lr = _number(text.get("nr_lr", "4"), 1, most, f"{where}: nr_lr")
    live = _number(text.get("live_lrs", "0"), 0, most, f"{where}: live_lrs")
    if live > nr_lr:
        raise UsageError(f"{where}: live_lrs: {live} live list registers, but nr_lr is {nr_lr}")
    identity = values.get("id", "")
    return Configuration(
        implementation=implementation,
        gic=gic,
        nr_lr=nr_lr,
        live_lrs=live,
        lr_kind=text.get("lr_kind", "pending"),
        fp_used=text.get("fp_used") == "1",
        fpcr_differs=text.get("fpcr_differs") == "1",
        debug=text.get("debug", "clean"),
        guest=text.get("guest", "aarch64"),
        exit=text.get("exit", "hvc"),
        timer=text.get("timer", "1") == "1",
        vgic_sre=text.get("vgic_sre", "1") == "1",
        prio_bits=int(text.get("prio_bits", "5")),
        vhe=vhe,
        erratum_834220=text.get("erratum_834220") == "1",
        pan=text.get("pan") == "1",
        hyp_offset_low=text.get("hyp_offset_low") == "1",
        compiler=text.get("compiler", COMPILERS[0]),
        id=identity if isinstance(identity, str) else str(identity),
    )


def _keys() -> list[str]:
    return ["implementation", *_CHOICES, "nr_lr", "live_lrs"]


def _number(text: str, low: int, high: int, where: str) -> int:
    try:
        value = int(text)
    except ValueError:
        raise UsageError(f"{where}: {text!r} is not a number from {low} to {high}") from None
    if not low <= value <= high:
        raise UsageError(f"{where}: {value} is not from {low} to {high}")
    return value
