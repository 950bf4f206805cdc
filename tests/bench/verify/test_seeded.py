# SPDX-License-Identifier: GPL-2.0-only
"""Seeded defects: one line changed in a copy of a design that has none; each must show."""

import importlib.util
import multiprocessing
import sys
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from bench.verify.classes import is_advice, signature_text
from bench.verify.configurations import small_set
from bench.verify.search import Limits, Search
from kvmarm.design import Design, register
from kvmarm.jit import JIT_ENABLED
from tests import ideal_design

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not JIT_ENABLED, reason="thousands of states")]

_PATIENCE = 120
"""Seconds for one search, its compilation with it."""
EDGE, LEVEL, TWO = "1 vCPU, SPI edge", "1 vCPU, SPI level", "2 vCPUs, SPI edge"
_SYNC = "        irq.holder = -1\n\n\n@jit\ndef sync"
_CLEAR = "            irq.again = 0\n    elif register < 0x380"
_ANSWER = "        if _due(vm, vm.irq[slot], vcpu):\n            return "
SEEDS = {
    "no kick": ("            kick(vm, vcpu, observer)", "            pass", EDGE),
    "edge forgotten at exit": ("        irq.latch = irq.again", "        irq.latch = 0", EDGE),
    "edge kept at exit": ("        irq.latch = irq.again", "        irq.latch = 1", EDGE),
    "active never cleared": ("        irq.active = 0\n" + _SYNC, _SYNC, EDGE),
    "disabled one delivered": ("vm.on != 0 and irq.enabled != 0 and", "vm.on != 0 and", LEVEL),
    "distributor ignored": ("ready = vm.on != 0 and", "ready =", LEVEL),
    "line ignored": (" or (irq.edge == 0 and irq.line != 0)", "", LEVEL),
    "priorities ignored": ("            rank = irq.priority\n", "            rank = slot\n", "1 vCPU, two edge SPIs"),
    "in two vCPUs at once": ("free = irq.loaded < 0 or irq.loaded == vcpu", "free = True", TWO),
    "route ignored": (" and (irq.targets >> vcpu) & 1 != 0", "", TWO),
    "clear ignored": ("            irq.latch = 0\n" + _CLEAR, _CLEAR, EDGE),
    "pending never answered": (_ANSWER + "1", _ANSWER + "0", "1 vCPU, PPI"),
}
"""Name -> (line, its replacement, the configuration that is searched)."""


def seeded(name: str, number: int, folder: Path) -> Design:
    """Return a copy of the ideal design with one line changed."""
    old, new, _ = SEEDS[name]
    text = Path(str(ideal_design.__file__)).read_text()
    assert text.count(old) == 1, f"{name}: the line is there {text.count(old)} times"
    path = folder / f"seeded_{number}.py"
    path.write_text(text.replace(old, new).replace('"ideal"', f'"seeded_{number}"'))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # compiled code that is kept refers to it by its name
    spec.loader.exec_module(module)
    return register(module.DESIGN)


def explore_seeded(name: str, folder: Path) -> list[str]:
    """Return the signatures of a seeded design; in a process of its own, for it may do anything."""
    design = seeded(name, list(SEEDS).index(name), folder)
    one = next(one for one in small_set() if one.name == f"GICv2, {SEEDS[name][2]}")
    outcome = Search(design, one, Limits(depth=14)).run()
    return [signature_text(int(found["code"])) for found in outcome.found if not is_advice(int(found["code"]))]


def _tell(name: str, folder: str, pipe: Connection) -> None:
    pipe.send(explore_seeded(name, Path(folder)))


@pytest.mark.parametrize("name", SEEDS)
def test_a_seeded_defect_shows(name: str, tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_tell, args=(name, str(tmp_path), theirs))
    process.start()
    theirs.close()
    try:
        assert ours.poll(_PATIENCE), "no answer"
        assert ours.recv()
    finally:
        process.kill()
        process.join()
