# SPDX-License-Identifier: GPL-2.0-only
"""Reading the catalogue: TOML files of transitions, single ones and whole matrices of edges.

A `[[transition]]` is one entry: name, group, title, set-up lines, the one operation that is measured, the interrupt
that is watched, and its state before and after. A file may also hold `[kinds]` (of interrupt), `[states]` (how each is
reached) and `[[edge]]`s; an edge is short for one transition per kind and state. A state is one of inactive, pending,
active and active+pending. ` in LR` follows it while a vCPU in the guest holds it in a list register. Where designs
differ, a table by design name replaces the state, and `why` gives the reason; `default` in such a table is for designs
not named, `NAME gicvN` for a design with one GIC version alone. docs/guide/transitions.md shows how to add one.
"""

import difflib
import fnmatch
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

import numpy as np

from bench.catalogue.language import compile_lines, fill, trace_lines, usable_irqs
from bench.catalogue.lpis import DEFAULT_SCENE, LpiScene
from bench.catalogue.standard import FIRST_STANDING
from kvmarm.config import VmConfig
from kvmarm.errors import UsageError
from kvmarm.gic import FIRST_LPI
from kvmarm.inputs import MOST_TOML, parse_toml, read_text

BUILT_IN = ("cost.toml", "edges.toml", "scenes.toml", "lpis.toml")
SCENE_MARK = "@"
"""Between the name of an entry and the scene it is measured in, where that is not the usual one."""
STATES = ("inactive", "pending", "active", "active+pending")
MAIN_GROUPS = ("overflow", "migration")
"""Groups that count among the main transitions as a whole."""
DELIVERIES = ("flush_spi_edge_pending", "flush_spi_level_pending", "flush_ppi_pending")
"""Entries into the guest with one interrupt to deliver."""
_IN_LR = " in LR"
_KEYS = {
    "name",
    "group",
    "title",
    "set_up",
    "operation",
    "watch",
    "before",
    "after",
    "why",
    "gic",
    "vcpus",
    "lrs",
    "standing",
    "lpis",
}
_REQUIRED = ("name", "group", "title", "operation", "watch", "before", "after")


@dataclass(frozen=True)
class Transition:
    """One entry of the catalogue.

    set_up, operation: lines of bench.catalogue.language. watch_intid, watch_vcpu: the interrupt whose state is
    checked (text of the language; the vCPU matters for private ones). before, after: design name or "default" -> state.
    gics: GIC versions it applies to. least_vcpus, least_lrs: what it needs. standing: "any"; "none" if defined without
    standing interrupts; "overflow" when it needs more of them than there are list registers. lpis: least LPIs that it
    needs to be mapped, 0 when it is not about LPIs: it applies to VMs with an ITS then, others to those without. scene:
    the LPIs that are mapped.
    """

    name: str
    group: str
    title: str
    operation: str
    watch_intid: str
    watch_vcpu: str
    before: Mapping[str, str]
    after: Mapping[str, str]
    set_up: tuple[str, ...] = ()
    why: str = ""
    gics: tuple[int, ...] = (2, 3)
    least_vcpus: int = 1
    least_lrs: int = 1
    standing: str = "any"
    source: str = field(default="", compare=False)
    lpis: int = 0
    scene: LpiScene = DEFAULT_SCENE

    def effective_pending(self, config: VmConfig, pending: int) -> int | None:
        """Return the standing interrupts it is measured with when `pending` are asked for; None: it does not apply."""
        if config.gic not in self.gics or config.vcpus < self.least_vcpus or config.lrs < self.least_lrs:
            return None
        if bool(self.lpis) != bool(config.its) or self.lpis > self.scene.lpis:
            return None
        if self.standing == "none" and pending:
            return None
        if self.standing == "overflow":
            pending = max(pending, config.lrs + 1)
        room = usable_irqs(config) - FIRST_STANDING
        if any("{top}" in line for line in self.lines):
            room -= 1
        return pending if pending <= room else None

    def place(self, config: VmConfig) -> VmConfig:
        """Return the configuration that it is measured in where `config` is asked for: with an ITS for LPIs."""
        return replace(config, gic=3, its=1) if self.lpis else config

    def watched(self, config: VmConfig) -> tuple[int, int]:
        """Return (INTID, vCPU) of the watched interrupt in a configuration."""
        names = {"last": config.vcpus - 1, "top": usable_irqs(config) - 1, **(self.scene.names() if config.its else {})}
        where = f"{self.source}: {self.name}: watch"
        try:
            intid, vcpu = int(fill(self.watch_intid, names)), int(fill(self.watch_vcpu, names))
        except ValueError:
            raise UsageError(f"{where}: expected INTID or INTID@VCPU") from None
        known = 0 <= intid < usable_irqs(config) or (config.its and intid >= FIRST_LPI)
        if not known or not 0 <= vcpu < config.vcpus:
            raise UsageError(f"{where}: {config} has no INTID {intid} of vCPU {vcpu}")
        return intid, vcpu

    def check(self, config: VmConfig) -> None:
        """Raise UsageError when the lines or the watched interrupt are none in a configuration it applies to."""
        if self.effective_pending(config, 0) is not None:
            self.operations(config)
            self.watched(config)

    @property
    def typed_group(self) -> str:
        """The group's name as it is typed on a command line: `mmio_read`."""
        return typed(self.group)

    @property
    def lines(self) -> tuple[str, ...]:
        """Set-up and operation."""
        return (*self.set_up, self.operation)

    def trace(self, config: VmConfig) -> list[str]:
        """Return set-up and operation as lines of the trace format, operations counted from the set-up's first."""
        return trace_lines(self.lines, config, self.scene)

    def operations(self, config: VmConfig) -> np.ndarray:
        """Return set-up and operation (the last) as operations (array of kvmarm.trace.OP). Raises UsageError."""
        return _operations(self.lines, config, f"{self.source}: transition {self.name}", self.scene)

    def at(self, scene: LpiScene) -> "Transition":
        """Return the entry with other LPIs mapped, which its name says; one that is not about LPIs as it is."""
        if not self.lpis or scene == self.scene:
            return self
        return replace(self, name=f"{self.name.partition(SCENE_MARK)[0]}{SCENE_MARK}{scene}", scene=scene)

    def expected(self, design: str, gic: int) -> tuple[str | None, str | None]:
        """Return the states before and after for a design and a GIC version; None where the entry says nothing of it.

        The most particular key counts: `NAME gicvN`, then the design's name, then `default`.
        """
        keys = (f"{design} gicv{gic}", design, "default")
        before, after = (
            next((states[key] for key in keys if key in states), None) for states in (self.before, self.after)
        )
        return before, after


@lru_cache(maxsize=4096)
def _operations(lines: tuple[str, ...], config: VmConfig, where: str, scene: LpiScene) -> np.ndarray:
    return compile_lines(lines, config, where, scene)


def _states(value: Any, where: str) -> dict[str, str]:
    table = value if isinstance(value, dict) else {"default": value}
    if not table:
        raise UsageError(f"{where}: expected a state, or a table of them by design")
    for state in table.values():
        if not isinstance(state, str) or state.removesuffix(_IN_LR) not in STATES:
            raise UsageError(f"{where}: state {state!r}: expected one of {', '.join(STATES)}, with or without ` in LR`")
    return table


def _check_forms(entry: Mapping[str, Any], where: str) -> None:
    for key in ("name", "group", "title", "operation", "why"):
        if key in entry and (not isinstance(entry[key], str) or not entry[key].strip()):
            raise UsageError(f"{where}: {key} {entry[key]!r}: expected text")
    if set(entry["name"]) & set(",*?"):
        raise UsageError(f"{where}: a name with a comma, * or ? could not be chosen")
    if not isinstance(entry["watch"], str | int) or isinstance(entry["watch"], bool):
        raise UsageError(f"{where}: watch {entry['watch']!r}: expected INTID or INTID@VCPU")
    lines = entry.get("set_up", [])
    if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
        raise UsageError(f"{where}: set_up {lines!r}: expected a list of lines")
    for key in ("vcpus", "lrs", "lpis"):
        if type(entry.get(key, 1)) is not int or entry.get(key, 1) < 1:
            raise UsageError(f"{where}: {key} {entry[key]!r}: expected a whole number from 1 on")
    if entry.get("gic", 2) not in (2, 3, [2], [3], [2, 3]):
        raise UsageError(f"{where}: gic {entry['gic']!r}: expected 2, 3 or [2, 3]")


def _transition(entry: Mapping[str, Any], source: str) -> Transition:
    where = f"{source}: transition {entry.get('name', '(no name)')}"
    for key in _REQUIRED:
        if key not in entry:
            raise UsageError(f"{where}: {key} is missing")
    for key in entry:
        if key not in _KEYS:
            near = difflib.get_close_matches(key, _KEYS, 1)
            raise UsageError(f"{where}: unknown key {key!r}{f', did you mean {near[0]!r}?' if near else ''}")
    _check_forms(entry, where)
    standing = entry.get("standing", "any")
    if standing not in ("any", "none", "overflow"):
        raise UsageError(f"{where}: standing {standing!r}: expected any, none or overflow")
    gics = entry.get("gic", 3 if "lpis" in entry else [2, 3])
    intid, _, vcpu = str(entry["watch"]).partition("@")
    transition = Transition(
        name=entry["name"],
        group=entry["group"],
        title=entry["title"],
        operation=entry["operation"],
        watch_intid=intid,
        watch_vcpu=vcpu or "0",
        before=_states(entry["before"], f"{where}: before"),
        after=_states(entry["after"], f"{where}: after"),
        set_up=tuple(entry.get("set_up", ())),
        why=entry.get("why", ""),
        gics=tuple(gics) if isinstance(gics, list) else (gics,),
        least_vcpus=entry.get("vcpus", 1),
        least_lrs=entry.get("lrs", 1),
        standing=standing,
        source=source,
        lpis=entry.get("lpis", 0),
    )
    if (len(set(transition.before.values())) > 1 or len(set(transition.after.values())) > 1) and not transition.why:
        raise UsageError(f"{where}: the designs differ, expected `why` to say for what reason")
    return transition


def _fill(line: str, words: Mapping[str, str], where: str) -> str:
    try:
        return Template(line).substitute(words)
    except (KeyError, ValueError) as error:
        raise UsageError(f"{where}: {line!r}: unknown $word {error}") from None


def _expand(edge: Mapping[str, Any], document: Mapping[str, Any], source: str) -> Iterable[Transition]:
    """Yield the transitions of one `[[edge]]`: one a kind and state it names."""
    running = edge.get("running", False)
    for kind_name in edge["kinds"]:
        where = f"{source}: edge {edge['name']}, kind {kind_name}"
        if kind_name not in document["kinds"]:
            raise UsageError(f"{where}: unknown kind, expected one of {', '.join(document['kinds'])}")
        kind = document["kinds"][kind_name]
        reach = document["states"][f"{kind['trigger']}_{'running' if running else 'out'}"]
        for state, after in edge["after"].items():
            start = state + _IN_LR if running and state != "inactive" else state
            start = edge.get("starts", {}).get(state, start)
            entry = {
                "name": f"{edge['name']}_{kind_name}_{state.replace('+', '_')}",
                "group": edge["group"],
                "title": f"{edge['title']}; {kind['title']}, {state}{', vCPU in the guest' if running else ''}",
                "operation": edge["operation"],
                "watch": kind["watch"],
                "set_up": [*kind.get("first", ()), *reach[state], *edge.get("then", ())],
                "before": start,
                "after": after,
                "gic": edge.get("gic", kind.get("gic", [2, 3])),
                "vcpus": max(edge.get("vcpus", 1), kind.get("vcpus", 1)),
            }
            if "lpis" in kind:
                entry["lpis"] = max(edge.get("lpis", 1), kind["lpis"])
            for exception in edge.get("except", ()):
                applies = kind_name in exception.get("kinds", (kind_name,)) and state in exception.get(
                    "states", (state,)
                )
                if applies:
                    entry |= {key: value for key, value in exception.items() if key not in ("kinds", "states")}
            words = {"kind": kind_name, **{key: value for key, value in kind.items() if isinstance(value, str)}}
            entry["set_up"] = [_fill(line, words, where) for line in entry["set_up"]]
            entry["operation"] = _fill(entry["operation"], words, where)
            yield _transition(entry, source)


def parse_catalogue(text: str, source: str) -> list[Transition]:
    """Return the transitions of one TOML text. Raises UsageError naming the source, the entry and what was expected."""
    document = parse_toml(text, source)
    for key in ("transition", "edge"):
        entries = document.get(key, [])
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise UsageError(f"{source}: {key}: expected tables [[{key}]]")
    result = [_transition(entry, source) for entry in document.get("transition", ())]
    for edge in document.get("edge", ()):
        where = f"{source}: edge {edge.get('name', '(no name)')}"
        try:
            result.extend(_expand(edge, document, source))
        except KeyError as error:
            raise UsageError(f"{where}: {error} is missing") from None
        except (TypeError, AttributeError) as error:
            raise UsageError(f"{where}: a key has the wrong form ({error})") from error
    if not result:
        raise UsageError(f"{source}: no [[transition]] and no [[edge]] in it")
    return result


@lru_cache(maxsize=1)
def _built_in() -> tuple[Transition, ...]:
    folder = files("bench.catalogue")
    return tuple(t for name in BUILT_IN for t in parse_catalogue((folder / name).read_text("utf-8"), name))


def load_catalogue(extra: Iterable[str | Path] = ()) -> dict[str, Transition]:
    """Return all transitions by name: the built-in ones, then those of the TOML files in `extra`.

    Raises UsageError for a file that cannot be read or an entry whose name is taken.
    """
    result: dict[str, Transition] = {}
    entries = list(_built_in())
    for path in extra:
        entries += parse_catalogue(read_text(path, MOST_TOML), str(path))
    for entry in entries:
        if entry.name in result:
            raise UsageError(
                f"{entry.source}: transition {entry.name}: the name is taken by {result[entry.name].source}"
            )
        result[entry.name] = entry
    return result


def cost_transitions() -> list[str]:
    """Return the names of the transitions whose instruction counts on the real code are known, in catalogue order."""
    return [entry.name for entry in _built_in() if entry.source == BUILT_IN[0]]


def main_transitions() -> list[str]:
    """Return the names that headlines are made of, in the catalogue's order: the same ones however much was measured.

    Those of `cost_transitions`, an entry with an interrupt to deliver (`flush_p` has none to deliver unless standing
    interrupts are asked for), and those of MAIN_GROUPS.
    """
    chosen = {*cost_transitions(), *DELIVERIES}
    return [entry.name for entry in _built_in() if entry.name in chosen or entry.group in MAIN_GROUPS]


def typed(group: str) -> str:
    """Return a group's name without spaces, so that no shell takes it apart."""
    return group.replace(" ", "_")


def select(
    catalogue: Mapping[str, Transition], patterns: Iterable[str], others: Iterable[str] = ()
) -> list[Transition]:
    """Return the transitions that any of the patterns names: a name, a group, or a pattern with * and ?.

    A group is `mmio_read` or `mmio read`. No pattern: all. Raises UsageError for one that names nothing, with the
    nearest name; `others` are names that are known elsewhere, and may be what was meant.
    """
    wanted: dict[str, Transition] = {}
    chosen = [part for pattern in patterns for part in pattern.split(",") if part]
    if not chosen:
        return list(catalogue.values())
    for pattern in chosen:
        hits = [
            t for t in catalogue.values() if fnmatch.fnmatchcase(t.name, pattern) or t.typed_group == typed(pattern)
        ]
        if not hits:
            raise UsageError(f"unknown transition {pattern!r}{_hint(pattern, catalogue, others)}")
        wanted |= {t.name: t for t in hits}
    return list(wanted.values())


def _hint(pattern: str, catalogue: Mapping[str, Transition], others: Iterable[str]) -> str:
    """Return what was probably meant: the nearest group or name, or a pattern for all that begin like this."""
    groups = dict.fromkeys(entry.typed_group for entry in catalogue.values())
    wanted = typed(pattern)
    near = difflib.get_close_matches(wanted, [*groups, *others], 1, cutoff=0.75)
    if not near and len(wanted) > 2 and sum(name.startswith(wanted) for name in catalogue) > 1:
        near = [f"{wanted}*"]
    near = near or difflib.get_close_matches(wanted, [*catalogue, *groups, *others], 1, cutoff=0.4)
    return f", did you mean {near[0]!r}?" if near else " (see `vgic-bench transitions`)"
