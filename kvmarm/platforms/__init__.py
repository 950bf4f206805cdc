# SPDX-License-Identifier: GPL-2.0-only
"""Platforms: price lists in cycles, one TOML file per machine, and the published figures each was checked against.

A file has `name`, `title`, `gic` (2 or 3) and `clock_ghz`. It has a table `prices` with every class of `PRICES`, a
table `terms` with every name of `TERMS`, and an array `checks`. A price or term is a table: `cycles` (not negative),
`certainty` (measured, fitted, estimated or assumed), `source`, `derivation`, and `error` (cycles, one standard
deviation) where it is known. With `base`, the name of another platform, the prices and terms that are not given are the
base's. A check names a published figure, in cycles (`published`) or ns (`published_ns`), and what of the model is
compared with it (`Check`).

The platforms of this folder are found by name; anyone's own file is found by its path.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from importlib.resources import files
from typing import Any

from kvmarm.errors import UsageError
from kvmarm.inputs import MOST_TOML, parse_toml, read_text

PRICES: dict[str, str] = {
    "load": "a load (single or pair) of context memory",
    "store": "a store (single or pair) of context memory",
    "fp_load": "a load of a pair of Q registers",
    "fp_store": "a store of a pair of Q registers",
    "sysreg_read": "mrs of an EL1, EL2, timer or debug register",
    "sysreg_write": "msr of such a register",
    "ich_read": "mrs of an ICH or ICC register (GICv3)",
    "ich_write": "msr of an ICH or ICC register (GICv3)",
    "gich_read": "a read of the GICH frame (GICv2), waited for",
    "gich_write": "a write of the GICH frame (GICv2), posted",
    "isb": "an instruction barrier",
    "dsb": "a data barrier",
    "alu": "arithmetic",
    "nop": "a nop or what an alternative puts in its place",
    "branch": "a conditional branch not taken",
    "branch_taken": "a branch taken",
    "trap": "entry into EL2 by an exception",
    "eret": "exception return",
    "instruction": "an average instruction of kernel C code",
    "lock": "what the atomics of an uncontended spin lock pair cost on top of their instructions",
}
"""Price classes; a platform has all of them."""

TERMS: dict[str, str] = {
    "run_loop": "the rest of KVM's run loop for an exit: host code outside the switch, VGIC and handler",
    "mmio_kernel": "decoding an MMIO exit and finding the device in the kernel, without the device's work",
    "mmio_user": "an exit to user space and back, with the device's work there",
    "host_ipi": "the host's IPI to another CPU until that CPU leaves its guest",
    "guest_ack_eoi": "the guest's acknowledge and end of interrupt, by the hardware's virtual interface",
    "kick": "the sender's side of a kick: the host's code and its SGI",
}
"""What the model cannot know, as named terms; a platform has all of them."""

CERTAINTIES = ("measured", "fitted", "estimated", "assumed")
FIGURE_CERTAINTIES = ("read", "cited", "recalled")
USES = ("fit", "prediction")
BUILT_IN = ("cortex-a15", "xgene", "seattle", "neoverse-n1", "kunpeng920", "phytium-s2500")


@dataclass(frozen=True)
class Price:
    """Cycles of one class or term, how sure they are, where they come from and how they were derived.

    error: standard deviation in cycles, None where it is not known.
    """

    name: str
    cycles: float
    certainty: str
    source: str
    derivation: str = ""
    error: float | None = None


@dataclass(frozen=True)
class Part:
    """Something of the model that is counted for a check.

    switch: name of a world switch. options: of the configuration. phases: those counted. groups: register groups
    counted (empty: all). without: groups left out. direction: "save", "restore" or "both". times: how often.
    """

    switch: str
    options: Mapping[str, str]
    phases: tuple[str, ...] = ("entry", "exit")
    groups: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    direction: str = "both"
    times: int = 1


@dataclass(frozen=True)
class Check:
    """A published figure and its counterpart: the sum of parts, named terms and counted kernel instructions.

    use: whether prices were fitted on it ("fit") or it is a prediction. certainty: of the figure. terms: how often each
    term counts. instructions: of kernel code by transition; counted_on: the design, GIC and vCPUs they were counted on.
    note: what a reader has to know, such as why the two differ.
    """

    name: str
    published: float
    source: str
    certainty: str
    use: str
    parts: tuple[Part, ...] = ()
    terms: Mapping[str, float] = field(default_factory=dict)
    instructions: Mapping[str, float] = field(default_factory=dict)
    counted_on: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True)
class Platform:
    """A machine's price list. `path`: the file it came from."""

    name: str
    title: str
    gic: int
    clock_ghz: float
    prices: Mapping[str, Price]
    terms: Mapping[str, Price]
    checks: tuple[Check, ...]
    path: str
    summary: str = ""

    def price(self, name: str) -> float:
        """Return the cycles of a price class."""
        return self.prices[name].cycles

    def term(self, name: str) -> float:
        """Return the cycles of a named term."""
        return self.terms[name].cycles


def platform_names() -> tuple[str, ...]:
    """Return the names of the platforms that come with the program."""
    return BUILT_IN


@lru_cache(maxsize=64)
def load_platform(name: str) -> Platform:
    """Return a platform by its name or the path of its file. Raises UsageError naming file and field."""
    if name in BUILT_IN:
        resource = files("kvmarm.platforms").joinpath(f"{name}.toml")
        return _parse(resource.read_text("utf-8"), f"{name}.toml")
    if not name.endswith(".toml"):
        raise UsageError(f"unknown platform {name!r} (known: {', '.join(BUILT_IN)}, or the path of a .toml file)")
    return _parse(read_text(name, MOST_TOML), name)


def _parse(text: str, where: str) -> Platform:
    document = parse_toml(text, where)
    unknown = set(document) - {"name", "title", "gic", "clock_ghz", "summary", "base", "prices", "terms", "checks"}
    if unknown:
        raise UsageError(f"{where}: unknown field {sorted(unknown)[0]!r}")
    gic = _field(document, "gic", int, where)
    if gic not in (2, 3):
        raise UsageError(f"{where}: gic: {gic} is not 2 or 3")
    clock = _number(document, "clock_ghz", where)
    if clock == 0:
        raise UsageError(f"{where}: clock_ghz: expected more than 0")
    checks = _optional(document, "checks", list, where)
    base = _base(document, where)
    return Platform(
        name=_field(document, "name", str, where),
        title=_field(document, "title", str, where),
        gic=gic,
        clock_ghz=clock,
        summary=_optional(document, "summary", str, where),
        prices=_price_table(document, "prices", PRICES, where, base),
        terms=_price_table(document, "terms", TERMS, where, base),
        checks=tuple(_check(entry, f"{where}: checks[{number}]", clock) for number, entry in enumerate(checks)),
        path=where,
    )


def _base(document: Mapping[str, Any], where: str) -> Platform | None:
    name = _optional(document, "base", str, where)
    if not name:
        return None
    if name not in BUILT_IN:
        raise UsageError(f"{where}: base: {name!r} is not one of {', '.join(BUILT_IN)}")
    return load_platform(name)


def _price_table(
    document: Mapping[str, Any], key: str, names: Mapping[str, str], where: str, base: Platform | None
) -> dict[str, Price]:
    table = (_field if base is None else _optional)(document, key, dict, where)
    inherited: Mapping[str, Price] = {} if base is None else getattr(base, key)
    for name in table:
        if name not in names:
            raise UsageError(f"{where}: {key}.{name}: unknown; expected one of {', '.join(names)}")
    for name in names:
        if name not in table and name not in inherited:
            raise UsageError(f"{where}: {key}.{name}: missing ({names[name]})")
    found = {
        name: replace(price, certainty="assumed", source=f"{base.name}.toml", derivation=f"as on {base.title}")
        for name, price in inherited.items()
        if base is not None
    }
    for name, entry in table.items():
        place = f"{where}: {key}.{name}"
        if not isinstance(entry, dict):
            raise UsageError(f"{place}: expected a table with cycles, certainty and source")
        certainty = _field(entry, "certainty", str, place)
        if certainty not in CERTAINTIES:
            raise UsageError(f"{place}: certainty: {certainty!r} is not one of {', '.join(CERTAINTIES)}")
        source = _field(entry, "source", str, place)
        derivation = _optional(entry, "derivation", str, place)
        error = _number(entry, "error", place) if "error" in entry else None
        found[name] = Price(name, _number(entry, "cycles", place), certainty, source, derivation, error)
    return {name: found[name] for name in names}


def _check(entry: Any, where: str, clock: float) -> Check:
    if not isinstance(entry, dict):
        raise UsageError(f"{where}: expected a table")
    use = _field(entry, "use", str, where)
    if use not in USES:
        raise UsageError(f"{where}: use: {use!r} is not one of {', '.join(USES)}")
    certainty = _field(entry, "certainty", str, where)
    if certainty not in FIGURE_CERTAINTIES:
        raise UsageError(f"{where}: certainty: {certainty!r} is not one of {', '.join(FIGURE_CERTAINTIES)}")
    instructions = _optional(entry, "instructions", dict, where)
    in_ns = "published_ns" in entry and "published" not in entry
    published = _number(entry, "published_ns", where) * clock if in_ns else _number(entry, "published", where)
    if published == 0:
        raise UsageError(f"{where}: published: expected more than 0")
    return Check(
        name=_field(entry, "name", str, where),
        published=published,
        source=_field(entry, "source", str, where),
        certainty=certainty,
        use=use,
        parts=tuple(
            _part(part, f"{where}: parts[{number}]")
            for number, part in enumerate(_optional(entry, "parts", list, where))
        ),
        terms=_term_counts(entry, where),
        instructions={name: _number(instructions, name, f"{where}: instructions") for name in instructions},
        counted_on=_optional(entry, "counted_on", dict, where),
        note=_optional(entry, "note", str, where),
    )


def _term_counts(entry: Mapping[str, Any], where: str) -> dict[str, float]:
    """Return how often each term counts: once each of an array of names, else what a table says."""
    terms = entry.get("terms", [])
    if not isinstance(terms, (list, dict)):
        raise UsageError(f"{where}: terms: expected an array of names or a table, not {terms!r}")
    for term in terms:
        if term not in TERMS:
            raise UsageError(f"{where}: terms: {term!r} is not one of {', '.join(TERMS)}")
    return {term: _number(terms, term, f"{where}: terms") if isinstance(terms, dict) else 1.0 for term in terms}


def _part(entry: Any, where: str) -> Part:
    if not isinstance(entry, dict):
        raise UsageError(f"{where}: expected a table")
    known = ("switch", "options", "phases", "groups", "without", "direction", "times")
    for key in entry:
        if key not in known:
            raise UsageError(f"{where}: unknown field {key!r}; expected one of {', '.join(known)}")
    direction = entry.get("direction", "both")
    if direction not in ("save", "restore", "both"):
        raise UsageError(f"{where}: direction: {direction!r} is not save, restore or both")
    return Part(
        switch=_field(entry, "switch", str, where),
        options=_optional(entry, "options", dict, where),
        phases=tuple(_optional(entry, "phases", list, where)) or ("entry", "exit"),
        groups=tuple(_optional(entry, "groups", list, where)),
        without=tuple(_optional(entry, "without", list, where)),
        direction=direction,
        times=_field({"times": 1, **entry}, "times", int, where),
    )


def _field(entry: Mapping[str, Any], key: str, kind: type, where: str) -> Any:
    value = entry.get(key)
    if value is None:
        raise UsageError(f"{where}: {key}: missing")
    if not isinstance(value, kind) or isinstance(value, bool):
        raise UsageError(f"{where}: {key}: expected {_KINDS[kind]}, not {value!r}")
    return value


def _optional(entry: Mapping[str, Any], key: str, kind: type, where: str) -> Any:
    """Return a field that may be left out, and is empty then."""
    return _field(entry, key, kind, where) if key in entry else kind()


_KINDS: dict[type, str] = {str: "text", int: "a whole number", dict: "a table", list: "an array"}


def _number(entry: Mapping[str, Any], key: str, where: str) -> float:
    value = entry.get(key)
    if value is None:
        raise UsageError(f"{where}: {key}: missing")
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not math.isfinite(value):
        raise UsageError(f"{where}: {key}: expected a number, not {value!r}")
    if value < 0:
        raise UsageError(f"{where}: {key}: {value} is negative")
    return float(value)
