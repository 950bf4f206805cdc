# SPDX-License-Identifier: GPL-2.0-only
"""A price list for the user's own machine, from what was measured on it.

The inputs are recordings of a KVM host (`host_times`) and outputs of kvm-unit-tests' micro-bench (`micro_bench`). Each
figure of them is a check (kvmarm.platforms.Check): parts of a world switch, counted kernel instructions and named
terms. A figure fixes one term, solved so that the check gives the figure; a figure whose term is fixed already, or that
fixes none, is a prediction. Classes of instructions cannot be told apart by such figures: their prices are another
platform's (the base), and their errors half of what the known platforms differ by. Where the figures leave nothing for
the run loop, the base's prices are too high: all of them are scaled.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bench.switches import micro_bench
from bench.switches.measure_inputs import Inputs, is_micro_bench, read_inputs
from bench.switches.platform_checks import evaluate
from kvmarm.errors import UsageError
from kvmarm.platforms import Check, Part, Platform, Price, load_platform, platform_names

LATER_KERNELS = (
    "EL1 system registers",
    "timer registers",
    "VGIC registers",
    "EL2 virtual memory",
    "debug registers",
    "FP registers",
)
"""Register groups that kernels since 4.17 leave loaded between exits, with VHE."""


@dataclass(frozen=True)
class Figure:
    """One measured figure: what is compared with it, the term that it can fix, its standard error in cycles."""

    check: Check
    solves: str | None
    error: float
    ns: float
    samples: int


@dataclass(frozen=True)
class Measured:
    """The price list made, the figures it was made of, and the base whose prices it started from."""

    platform: Platform
    base: Platform
    figures: tuple[Figure, ...]
    scale: float


@dataclass(frozen=True)
class Machine:
    """What is known of the machine: its clock, GIC version, and whether its kernel runs with VHE.

    assumptions: which of it nobody said.
    """

    name: str
    clock_ghz: float
    gic: int
    vhe: bool
    assumptions: tuple[str, ...] = ()


BASES = {2: "seattle", 3: "neoverse-n1"}
"""Platform whose prices serve where no figure gives one, by GIC version."""


def machine_of(
    name: str, inputs: Inputs, base: Platform | None, gic: int | None, vhe: bool | None, clock_ghz: float | None
) -> tuple[Machine, Platform]:
    """Return the machine and the base for its prices; what is None is taken from the inputs, else assumed."""
    if clock_ghz is not None and not 0.1 <= clock_ghz <= 10:
        raise UsageError(f"--clock {clock_ghz:g}: expected GHz, 0.1 to 10")
    version = gic or inputs.gic or (3 if base is None else base.gic)
    chosen = load_platform(BASES[version]) if base is None else base
    assumptions = []
    if not gic and not inputs.gic:
        assumptions.append(f"GICv{version} (--gic)")
    if clock_ghz is None:
        assumptions.append(f"{chosen.clock_ghz:g} GHz, the clock of {chosen.name} (--clock)")
    if vhe is None:
        assumptions.append("VHE (--vhe, --no-vhe)" if version == 3 else "no VHE (--vhe, --no-vhe)")
    extended = version == 3 if vhe is None else vhe
    return Machine(name, clock_ghz or chosen.clock_ghz, version, extended, tuple(assumptions)), chosen


def holds_recordings(paths: Sequence[str]) -> bool:
    """Return whether any of the files is read as a recording, which needs compiled readers."""
    return not all(map(is_micro_bench, paths))


def read(paths: Sequence[str]) -> Inputs:
    """Read recordings and micro-bench outputs. Raises UsageError for a file that is neither, or has no figure."""
    return read_inputs(paths)


def figures_of(inputs: Inputs, machine: Machine) -> list[Figure]:
    """Return the figures of what was read; micro-bench's first, because no tracing slows it."""
    source = "kvm-unit-tests micro-bench"
    own = [
        _figure(name, source, machine, *micro_bench.mean_of(inputs.runs[name], inputs.tick), len(inputs.runs[name]))
        for name in micro_bench.TESTS
        if name in inputs.runs
    ]
    return own + [
        _figure(kind, f"time stamps of {name}", machine, mean, error, samples)
        for kind, name, mean, error, samples in inputs.timed
    ]


_IDLE = {2: {"flush_empty": 89.0, "sync_idle": 64.0}, 3: {"flush_empty": 89.0, "sync_idle": 83.0}}
_READ = {2: {"mmio_read_IIDR": 390.0}, 3: {"mmio_read_IIDR": 457.0}}
_SEND = {
    2: {"sync_idle_sender": 64.0, "sgi_to_one": 507.0, "sync_idle": 64.0, "flush_sgi": 205.0},
    3: {"sync_idle_sender": 83.0, "sgi_to_one": 203.0, "sync_idle": 83.0, "flush_sgi": 171.0},
}
_SEND_LPI = {"sync_idle_sender": 83.0, "its_INT": 620.0, "sync_idle": 83.0, "flush_1_lpi": 170.0}
"""Instructions of the redesign with two vCPUs, by GIC version."""


def _figure(name: str, source: str, machine: Machine, ns: float, error: float, samples: int) -> Figure:
    gic = machine.gic
    left = LATER_KERNELS if machine.vhe else ()

    def trip(exit_kind: str, phases: tuple[str, ...] = ("entry", "exit"), without: tuple[str, ...] = left) -> Part:
        options = {"vhe": str(int(machine.vhe)), "exit": exit_kind}
        return Part(switch="c", options=options, phases=phases, without=without)

    sent = trip("dabt" if gic == 2 else "hvc", ("exit",)), trip("irq")
    run, mmio = {"run_loop": 1.0}, {"run_loop": 1.0, "mmio_kernel": 1.0}
    across = {"run_loop": 1.0, "host_ipi": 1.0, "kick": 1.0, "guest_ack_eoi": 1.0}
    user = {"run_loop": 1.0, "mmio_user": 1.0}
    known: dict[str, tuple[str, tuple[Part, ...], Mapping[str, float], Mapping[str, float], str | None]] = {
        "hvc": ("hypercall", (trip("hvc"),), _IDLE[gic], run, "run_loop"),
        "mmio_read_vgic": ("distributor read", (trip("dabt"),), _IDLE[gic] | _READ[gic], mmio, "mmio_kernel"),
        "mmio_read_user": ("MMIO in user space", (trip("dabt", without=()),), _IDLE[gic], user, "mmio_user"),
        "eoi": ("end of interrupt", (), {}, {"guest_ack_eoi": 0.5}, "guest_ack_eoi"),
        "ipi": ("IPI", sent, _SEND[gic], across, "host_ipi"),
        "lpi": ("LPI", (trip("dabt", ("exit",)), trip("irq")), _SEND_LPI, across | {"mmio_kernel": 1.0}, None),
        "exit": ("host: exit", (), _IDLE[gic], run, "run_loop"),
        "gic_mmio": ("host: GIC access", (), _IDLE[gic] | _READ[gic], mmio, "mmio_kernel"),
        "user_mmio": ("host: user MMIO", (), _IDLE[gic], user, "mmio_user"),
        "sgi_to_exit": (
            "host: SGI to exit",
            (trip("irq", ("exit",)),),
            {},
            {"host_ipi": 1.0, "kick": 1.0},
            "host_ipi",
        ),
    }
    title, parts, instructions, terms, solves = known[name]
    check = Check(
        name=title,
        published=ns * machine.clock_ghz,
        source=source,
        certainty="read",
        use="prediction",
        parts=parts,
        terms=terms,
        instructions=instructions,
        counted_on={"design": "new", "gic": gic, "vcpus": 2},
    )
    return Figure(check, solves, error * machine.clock_ghz, ns, samples)


def measure(figures: Sequence[Figure], machine: Machine, base: Platform, sources: Sequence[str]) -> Measured:
    """Return the price list that the figures give. Raises UsageError when the base has another GIC."""
    if base.gic != machine.gic:
        fitting = [name for name in platform_names() if load_platform(name).gic == machine.gic]
        raise UsageError(
            f"--base {base.name}: a GICv{base.gic} machine, the one measured has a GICv{machine.gic}: expected one of "
            f"{', '.join(fitting)}"
        )
    scale = _scale(figures, base)
    prices = {name: _assumed(price, base, scale) for name, price in base.prices.items()}
    terms = {name: _assumed(price, base, scale) for name, price in base.terms.items()}
    platform = Platform(
        name=machine.name,
        title=f"{machine.name}, {machine.clock_ghz:g} GHz, GICv{machine.gic}, {'' if machine.vhe else 'no '}VHE",
        gic=machine.gic,
        clock_ghz=machine.clock_ghz,
        prices=prices,
        terms=terms,
        checks=(),
        path=f"{machine.name}.toml",
        summary=f"Measured: {', '.join(sources)}. Prices of instruction classes are those of {base.name}.",
    )
    used: list[Figure] = []
    for figure in figures:
        term = figure.solves
        if term is not None and terms[term].certainty != "measured":
            price = _solved(platform, figure, term)
            if price is not None:
                terms[term] = price
                used.append(replace(figure, check=replace(figure.check, use="fit")))
                continue
        used.append(figure)
    return Measured(replace(platform, checks=tuple(figure.check for figure in used)), base, tuple(used), scale)


def _scale(figures: Sequence[Figure], base: Platform) -> float:
    """Return what the base's prices are multiplied by: below 1 where a figure leaves less than nothing to run_loop."""
    for figure in figures:
        if figure.solves == "run_loop":
            without = evaluate(base, replace(figure.check, terms={})).modelled
            whole = without + base.term("run_loop")
            return figure.check.published / whole if without > figure.check.published else 1.0
    return 1.0


def _assumed(price: Price, base: Platform, scale: float) -> Price:
    """Return a price of the base for another machine; its error is half of what the known platforms differ by."""
    known = [platform for platform in map(load_platform, platform_names()) if platform.gic == base.gic]
    known += [] if len({_cycles(platform, price.name) for platform in known}) > 1 else _all_platforms()
    values = [_cycles(platform, price.name) for platform in known]
    derivation = f"as on {base.name}" + (f", times {scale:.3f}" if scale != 1.0 else "")
    return Price(
        price.name,
        price.cycles * scale,
        "assumed",
        f"{base.name}.toml",
        f"{derivation}; error: half the range of the known platforms",
        (max(values) - min(values)) / 2,
    )


def _all_platforms() -> list[Platform]:
    return [load_platform(name) for name in platform_names()]


def _cycles(platform: Platform, name: str) -> float:
    return {**platform.prices, **platform.terms}[name].cycles


def _solved(platform: Platform, figure: Figure, term: str) -> Price | None:
    """Return the term that makes the check give the figure, None where the rest costs more than was measured."""
    check = figure.check
    times = check.terms[term]
    rest = evaluate(platform, replace(check, terms={name: n for name, n in check.terms.items() if name != term}))
    cycles = (check.published - rest.modelled) / times
    if cycles < 0:
        return None
    made_of = [f"{check.published:,.0f} measured ({figure.ns:,.0f} ns)"]
    made_of += [f"{value:,.0f} for {name.removeprefix('term: ')}" for name, value in _summed(rest.cost.terms).items()]
    derivation = ", less ".join([made_of[0], " and ".join(made_of[1:])]) if made_of[1:] else made_of[0]
    if times != 1:
        derivation = f"({derivation}) / {times:g}"
    error = math.hypot(figure.error, _error_of(platform, rest.cost.terms)) / times
    return Price(term, cycles, "measured", check.source, f"{check.name}: {derivation}", error)


def _summed(terms: Mapping[str, float]) -> dict[str, float]:
    """Return the parts of a check in few words: the switch, the kernel's instructions, each term."""
    summed: dict[str, float] = {}
    for name, cycles in terms.items():
        kind = name if name.startswith("term: ") else "VGIC" if name.startswith("instructions: ") else "world switch"
        summed[kind] = summed.get(kind, 0.0) + cycles
    return summed


def _error_of(platform: Platform, terms: Mapping[str, float]) -> float:
    """Return the standard error of a sum of priced parts: each part's share of its price's error."""
    instructions = sum(cycles for name, cycles in terms.items() if name.startswith("instructions: "))
    parts = {name: cycles for name, cycles in terms.items() if not name.startswith("instructions: ")}
    parts["instruction"] = parts.get("instruction", 0.0) + instructions
    known = {**platform.prices, **platform.terms}
    errors = []
    for name, cycles in parts.items():
        price = known[name.removeprefix("term: ")]
        errors.append(cycles * (price.error or 0.0) / price.cycles if price.cycles else 0.0)
    return math.sqrt(sum(error * error for error in errors))


def rows(measured: Measured) -> list[dict[str, Any]]:
    """Return one row per figure: what was measured, what the base and the new price list say, in cycles."""
    found = []
    for figure in measured.figures:
        check = figure.check
        before, after = evaluate(measured.base, check), evaluate(measured.platform, check)
        found.append(
            {
                "check": check.name,
                "source": check.source,
                "use": check.use,
                "samples": figure.samples,
                "ns": round(figure.ns, 3),
                "measured": round(check.published, 1),
                "measured_error": round(figure.error, 1),
                "base": measured.base.name,
                "base_predicts": round(before.modelled, 1),
                "base_error": round(before.error, 4),
                "predicted": round(after.modelled, 1),
                "error": round(after.error, 4),
            }
        )
    return found
