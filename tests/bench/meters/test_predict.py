# SPDX-License-Identifier: GPL-2.0-only
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bench.meters import weights
from bench.meters.fit import read_costs
from bench.meters.predict import run
from bench.studies.trace_cost import write_trace_costs
from kvmarm.design import get_design
from kvmarm.errors import UsageError
from kvmarm.events import EVENT_COUNT, event_names

GRID = """design,gic,irqs,vcpus,pending,transition,note
new,2,64,1,0,flush_empty,a
old,3,320,20,5,mmio_write_ISENABLER,b
new,2,64,1,0,inject_edge_spi,c
"""


def test_a_grid_comes_back_with_instructions_and_events(tmp_path: Path) -> None:
    grid, out = tmp_path / "grid.csv", tmp_path / "out.csv"
    grid.write_text(GRID)
    run(str(grid), str(out))
    table = pd.read_csv(out)
    assert list(table.columns[:9]) == [*GRID.splitlines()[0].split(","), "lrs", "instructions"]
    assert list(table.columns[9:]) == list(event_names())
    assert table["note"].tolist() == ["a", "b", "c"]
    assert (table["lrs"] == 4).all()
    for row in table.to_dict("records"):
        vector = weights.weights_of(get_design(row["design"]))
        assert vector is not None
        summed = sum(row[name] * weight for name, weight in zip(event_names(), vector, strict=True))
        assert row["instructions"] == pytest.approx(summed, abs=0.1)
    assert table["call_flush"].tolist() == [1, 0, 0]


def test_list_registers_may_be_given(tmp_path: Path) -> None:
    grid, out = tmp_path / "grid.csv", tmp_path / "out.csv"
    lines = ["design,gic,irqs,vcpus,pending,lrs,transition", *(f"old,2,64,1,0,{n},sync_idle" for n in (4, 16))]
    grid.write_text("\n".join(lines))
    table = run(str(grid), str(out))
    assert table["instructions"].iloc[1] > table["instructions"].iloc[0]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("pending,", ""), "line 1: column pending is missing"),
        (("old,3,320", "old,3,many"), "line 3: irqs 'many': expected a whole number"),
        (("old,3,320", "old,3,321"), "line 3: irqs=321: expected a multiple of 32"),
        (("old,3,320,20", "old,2,320,9"), "line 3: vcpus=9"),
        (("flush_empty", "flush_emty"), "line 2: unknown transition 'flush_emty', did you mean 'flush_empty'?"),
        (("new,2,64,1,0,flush_empty", "new,2,64,1,1,flush_empty"), "line 2: transition flush_empty does not apply"),
        (("new,2,64,1,0,inject", "newer,2,64,1,0,inject"), "line 4: unknown design 'newer'"),
        (("20,5", "20,500"), "line 3: pending=500: expected 0..284"),
    ],
)
def test_a_wrong_grid_is_named_and_nothing_is_written(change: tuple[str, str], says: str, tmp_path: Path) -> None:
    grid, out = tmp_path / "grid.csv", tmp_path / "out.csv"
    grid.write_text(GRID.replace(*change))
    with pytest.raises(UsageError) as caught:
        run(str(grid), str(out))
    assert says in str(caught.value)
    assert not out.exists()


def test_a_grid_that_is_not_there() -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        run("no/such.csv", "out.csv")


def test_the_cost_of_a_trace_by_kind(tmp_path: Path) -> None:
    trace = tmp_path / os.fsdecode(b"small\xff.trace")
    trace.write_text(
        "config gic=2 vcpus=2 irqs=64 lrs=4\nmmio_w 0 d 0x0 4 1\ninject 0 40 1\ninject 0 41 1\nflush 0\nsync 0\n"
    )
    out = tmp_path / "out.csv"
    write_trace_costs([trace], out, ["old", "new"])
    table = pd.read_csv(out)
    assert set(table["trace"]) == {"small\N{REPLACEMENT CHARACTER}"}
    assert list(table.columns[:5]) == ["trace", "design", "kind", "operations", "instructions"]
    for design in ("old", "new"):
        rows = table[table["design"] == design].set_index("kind")
        assert rows["operations"].to_dict() == {"inject": 2, "mmio_w": 1, "flush": 1, "sync": 1, "total": 5}
        names = list(event_names())
        assert (rows.loc["total", names] == rows.drop("total")[names].sum()).all()


def test_instructions_to_fit_are_numbers_above_0(tmp_path: Path) -> None:
    for text in ("0", "-5", "abc", "1e400", "nan"):
        path = tmp_path / "costs.csv"
        path.write_text(f"design,gic,irqs,vcpus,pending,transition,instructions\nold,2,256,4,0,flush_p,{text}\n")
        with pytest.raises(UsageError, match=f"line 2: instructions '{text}': expected a number from 0.001"):
            read_costs(path, "old")


def test_weights_name_known_events_only() -> None:
    assert weights.weight_vector({"lock": 2.5})[event_names().index("lock")] == 2.5
    with pytest.raises(UsageError, match="unknown event 'locks'"):
        weights.weight_vector({"locks": 1.0})
    assert np.isnan(weights.instructions(np.zeros(EVENT_COUNT), None))
