# SPDX-License-Identifier: GPL-2.0-only
"""A case by its number: files in a folder and the command that is given them."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.fuzz import mutators, seeds, tables


@dataclass
class Case:
    """kind: what is damaged. argv: the command line, run in the case's folder. stdin: what it is given to read."""

    kind: str
    argv: list[str] = field(default_factory=list)
    stdin: bytes = b""


def make(number: int, folder: Path, scratch: Path) -> Case:
    """Make the files of a case in `folder` and return it. The same number makes the same case."""
    rng = random.Random(number)
    maker = rng.choices(list(KINDS), list(KINDS.values()))[0]
    return maker(rng, folder, scratch)


def _write(folder: Path, name: str, data: bytes) -> str:
    (folder / name).write_bytes(data)
    return name


def _trace_commands(name: str) -> list[list[str]]:
    return [
        ["trace", "run", name, "--design", "old", "-o", "out"],
        ["trace", "run", name, "--design", "new", "-o", "out", "--locks"],
        ["trace", "explain", name, "--op", "3"],
        ["trace", "cost", name, "-o", "cost.csv", "--designs", "new"],
        ["explain", name, "--op", "1"],
        ["replay", name],
        ["replay", name, "--json", "--designs", "old"],
    ]


def _trace(rng: random.Random, folder: Path, scratch: Path) -> Case:
    data = mutators.damage(rng, seeds.trace(rng.randrange(20)))
    name = _write(folder, rng.choice(("t.trace", "t", "t\x1b[1m.trace")), data)
    return Case("trace", rng.choice(_trace_commands(name)))


def _recording(rng: random.Random, folder: Path, scratch: Path) -> Case:
    name, data = rng.choice(sorted(seeds.recordings().items()))
    file = _write(folder, name, mutators.damage(rng, data))
    more = rng.choice(([], ["--json"], ["--details"], ["-o", "out.trace"], ["--results", "run", "--no-html"]))
    return Case("recording", ["replay", file, "--designs", rng.choice(("old", "new", "old,new")), *more])


def _trace_dat(rng: random.Random, folder: Path, scratch: Path) -> Case:
    name, data = rng.choice(sorted(seeds.trace_dats().items()))
    way = rng.choice(
        (mutators.damage_words, mutators.damage_words, lambda r, d: mutators.damage(r, d, mutators.BINARY))
    )
    return Case("trace.dat", ["replay", _write(folder, name, way(rng, data)), "--designs", "new"])


def _packed(rng: random.Random, folder: Path, scratch: Path) -> Case:
    """What is packed, damaged or by a wrong name."""
    kind = rng.randrange(4)
    if kind == 0:
        name, data = mutators.pack(rng, "t.trace", seeds.trace(rng.randrange(20)))
        return Case("packed", rng.choice(_trace_commands(_write(folder, name, data))))
    if kind == 1:
        plain = rng.choice(sorted((seeds.recordings() | seeds.trace_dats()).items()))
        name, data = mutators.pack(rng, *plain)
        return Case("packed", ["replay", _write(folder, name, data), "--designs", "new"])
    if kind == 2:
        name, data = mutators.pack(rng, "grid.csv", seeds.GRID.encode())
        return Case("packed", ["predict", _write(folder, name, data), "-o", "out.csv"])
    plain = rng.choice(sorted(seeds.documents(scratch).items()))
    name, data = mutators.pack(rng, *plain)
    return Case("packed", ["results", "show", _write(folder, name, data)])


def _bomb(rng: random.Random, folder: Path, scratch: Path) -> Case:
    kind = rng.randrange(4)
    if kind == 0:
        suffix, data = mutators.bomb(rng, seeds.trace(1))
        return Case("bomb", rng.choice(_trace_commands(_write(folder, "t.trace" + suffix, data))))
    if kind == 1:
        suffix, data = mutators.bomb(rng, seeds.GRID.encode())
        return Case("bomb", ["predict", _write(folder, "g.csv" + suffix, data), "-o", "out.csv"])
    if kind == 2:
        suffix, data = mutators.bomb(rng, b'{"benchmarks": [')
        return Case("bomb", ["results", "show", _write(folder, "b.json" + suffix, data)])
    seeds.results(folder / "run")
    tables.bomb(rng, folder / "run")
    return Case("bomb", ["results", "show", "run"])


def _results_commands(run: str, rng: random.Random) -> list[str]:
    form = rng.choice(("csv", "counts", "pytest-benchmark", "pyperf"))
    table = rng.choice(("transitions", "events", "samples", "more", "nosuch"))
    return rng.choice(
        [
            ["results", "show", run],
            ["results", "show", run, "--json"],
            ["results", "show", run, "--table", table],
            ["results", "show", run, "--table", table, "--json"],
            ["results", "export", run, "--format", form, "-o", "exported"],
            ["results", "list", "."],
            ["compare", run, run, "--all"],
            ["compare", run, "good"],
            ["gate", "check", run, run, "--junit", "junit.xml", "--summary", "summary.md"],
            ["gate", "check", "good", run, "--json"],
            ["gate", "check", run, "good", "--annotations"],
            ["history", "."],
            ["report", run, "-o", "report.html"],
        ]
    )


def _folder(rng: random.Random, folder: Path, scratch: Path) -> Case:
    """A results folder with a damaged file."""
    seeds.results(folder / "run")
    seeds.results(folder / "good")
    file = rng.choice(sorted((folder / "run").iterdir()))
    if file.suffix == ".json":
        way = rng.choice((mutators.damage_json, mutators.damage_json, mutators.damage))
        file.write_bytes(way(rng, file.read_bytes()))
    elif rng.random() < 0.3:
        file.write_bytes(mutators.damage(rng, file.read_bytes(), mutators.BINARY))
    else:
        tables.damage(rng, file)
    if rng.random() < 0.3:
        tables.add(rng, folder / "run" / "more.parquet")
    return Case("results", _results_commands("run", rng))


def _document(rng: random.Random, folder: Path, scratch: Path) -> Case:
    """A JSON file of results."""
    seeds.results(folder / "good")
    name, data = rng.choice(sorted(seeds.documents(scratch).items()))
    way = rng.choice((mutators.damage_json, mutators.damage_json, mutators.damage_json, mutators.damage))
    return Case("document", _results_commands(_write(folder, name, way(rng, data)), rng))


def _toml(rng: random.Random, folder: Path, scratch: Path) -> Case:
    kind = rng.randrange(4)
    if kind == 0:
        name = _write(folder, "budget.toml", mutators.damage(rng, seeds.BUDGET.encode()))
        seeds.results(folder / "good")
        return Case("toml", ["gate", "check", "good", "good", "--budget", name])
    if kind == 1:
        name = _write(folder, "platform.toml", mutators.damage(rng, seeds.platform()))
        more = rng.choice((["--prices"], [], ["--json"], ["--check"], ["--fit"]))
        return Case("toml", rng.choice((["platforms", name, *more], ["switch", "table", "--platform", name])))
    name = _write(folder, "mine.toml", mutators.damage(rng, seeds.CATALOGUE.encode()))
    if kind == 2:
        return Case("toml", ["transitions", "my_*", "--catalogue", name, *rng.choice(([], ["--show"], ["--json"]))])
    run = ["run", "-t", "my_*", "--catalogue", name, "--meters", "events", "-o", "run", "--gic", "2,3", "--irqs", "64"]
    return Case("toml", [*run, "--vcpus", "2", "--pending", "0", "--no-html"])


def _csv(rng: random.Random, folder: Path, scratch: Path) -> Case:
    if rng.random() < 0.6:
        return Case(
            "csv", ["predict", _write(folder, "g.csv", mutators.damage(rng, seeds.GRID.encode())), "-o", "o.csv"]
        )
    return Case("csv", ["fit", _write(folder, "c.csv", mutators.damage(rng, seeds.COSTS.encode())), "--designs", "old"])


def _configurations(rng: random.Random, folder: Path, scratch: Path) -> Case:
    lines = seeds.CONFIGURATIONS.encode().splitlines()
    lines = [mutators.damage_json(rng, line).replace(b"\n", b"") for line in lines]
    data = mutators.damage(rng, b"\n".join(lines)) if rng.random() < 0.5 else b"\n".join(lines)
    if rng.random() < 0.3:
        return Case("configurations", ["switch", "steps", "--configs", "-", "--json"], data)
    return Case("configurations", ["switch", "steps", "--configs", _write(folder, "c.jsonl", data), "--json"])


def _options(rng: random.Random, folder: Path, scratch: Path) -> Case:
    """Good files, nasty words for options and arguments."""
    seeds.results(folder / "good")
    _write(folder, "t.trace", seeds.trace(1))
    _write(folder, "r.ftrace.txt", seeds.recordings()["r.ftrace.txt"])
    _write(folder, "g.csv", seeds.GRID.encode())
    lines = [
        "replay r.ftrace.txt --from 0 --to 1 --first 0 --events 50 --gic 3 --irqs 64 --lrs 4 --designs old",
        "replay r.ftrace.txt --gic-base 0x3fff0000 --redist-base 0x3ff00000 --vmm kvmtool --vm 161 --vcpu-thread 161=0",
        "replay r.ftrace.txt --platform xgene --designs new",
        "trace run t.trace --design old -o out",
        "trace explain t.trace --op 2 --designs old,new",
        "trace cost t.trace -o c.csv --designs old",
        "explain flush_p --gic 2 --irqs 256 --vcpus 4 --lrs 4 --pending 0 --designs old",
        "transitions flush_p --catalogue nosuch.toml",
        "results show good --table samples --rows 5",
        "results export good --format csv --table samples -o out.csv",
        "compare good good --meters events,time --minimum-effect 0.03",
        "gate check good good --meters events --budget nosuch.toml",
        "history . --metric events --transition flush_empty --designs old --gic 2 --irqs 256 --vcpus 4 --lrs 4",
        "switch show --switch asm --gic v2 --nr-lr 4 --live-lrs 1 --lr-kind pending --debug clean --guest aarch64",
        "switch sweep --vary live_lrs=0..2 --set gic=v2 --rounds 1",
        "switch table --platform xgene",
        "life --design old --platform xgene --gic 2 --scenario edge --irqs 64 --vcpus 1 --lrs 4",
        "platforms xgene --prices",
        "predict g.csv -o out.csv",
        "fit g.csv --designs old",
        "workloads --synthetic vcpus=1,operations=10,seed=1 -o out",
        "run -t flush_p --gic 2 --irqs 64 --vcpus 1 --lrs 4 --pending 0 --meters events --designs old -o out --no-html",
        "sweep -t flush_p --gic 2 --irqs 64 --vcpus 1 --lrs 4 --pending 0 --jobs 0 -o out --no-html",
        "record --print-script --buffer-kb 100 --lrs 4 -o rec",
        "report good -o r.html --baseline good",
        "plot good --figure nosuch -o figures",
    ]
    words = rng.choice(lines).split()
    for _ in range(rng.choice((1, 1, 2))):
        at = rng.randrange(1, len(words))
        way = rng.randrange(5)
        word = rng.choice(mutators.NASTY_WORDS).replace("\0", "")
        if way == 0:
            words.insert(at, word)
        elif way == 1:
            del words[at]
        elif way == 2 and "=" in words[at]:
            words[at] = words[at].split("=")[0] + "=" + word
        else:
            words[at] = word
    if "-o" not in words and words[0] in ("run", "sweep", "predict"):
        words += ["-o", "out"]
    # A word such as `..` as an output would write outside of the case's folder.
    words = ["nowhere/x" if word.startswith(("..", "/", "file:")) and at else word for at, word in enumerate(words)]
    return Case("options", words)


KINDS: dict[Callable[[random.Random, Path, Path], Case], float] = {
    _trace: 6,
    _recording: 6,
    _trace_dat: 4,
    _packed: 4,
    _bomb: 0.3,
    _folder: 6,
    _document: 6,
    _toml: 5,
    _csv: 3,
    _configurations: 2,
    _options: 6,
}
