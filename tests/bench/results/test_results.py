# SPDX-License-Identifier: GPL-2.0-only
import json
import math
import subprocess
import sys

import pandas as pd
import pytest

from bench.results import store as module
from bench.results.folders import find_runs, new_folder
from bench.results.meta import load_meta, new_meta
from bench.results.schema import KEY, SCHEMA, TABLES, frame
from bench.results.store import Results, load_columns
from kvmarm.errors import UsageError

ROW = dict(zip(KEY, ("old", "vgic", 2, 256, 4, 4, 0, 0, "flush_empty"), strict=True))


def small() -> Results:
    tables = {
        "transitions": frame("transitions", [ROW | {"ok": True, "events": 3, "group": "hardware"}]),
        "events": frame("events", [ROW | {"event": "lock", "count": 2}, ROW | {"event": "lr_read", "count": 1}]),
    }
    return Results(new_meta("run", complete=True, designs=[{"name": "old"}]), tables)


def test_round_trip(tmp_path):
    saved = small()
    saved.meta["yardstick"] = pd.Series([1.5]).to_numpy()[0]
    path = saved.save(tmp_path / "deep" / "one")
    back = Results.load(path)
    assert back.meta["schema"] == SCHEMA and back.meta["complete"] is True and back.meta["yardstick"] == 1.5
    for name in ("transitions", "events"):
        pd.testing.assert_frame_equal(back.tables[name], saved.tables[name])
    assert pd.read_parquet(path / "events.parquet")["count"].sum() == 3
    assert math.isnan(back.tables["transitions"].loc[0, "time_ns"])
    assert [entry.name for entry in (tmp_path / "deep").iterdir()] == ["one"]


def test_columns_are_those_of_the_frames(tmp_path):
    saved = small()
    saved.tables["own"] = pd.DataFrame({"text": ["a", None, "é"], "number": [1.5, None, 2.0]})
    meta, columns = load_columns(saved.save(tmp_path / "one"))
    back = Results.load(tmp_path / "one")
    assert meta == back.meta and set(columns) == set(back.tables)
    for name, table in back.tables.items():
        pd.testing.assert_frame_equal(columns[name].to_pandas().astype(table.dtypes), table)
    program = f"import sys; from bench.results.store import load_columns; load_columns({str(tmp_path / 'one')!r}); "
    program += "assert not {'pandas', 'numba'} & set(sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_absent_tables_are_empty_with_columns():
    results = small()
    assert not results.has("samples") and results.has("events")
    assert list(results.table("samples").columns) == list(TABLES["samples"])
    assert results.table("samples")["ns"].dtype == "float64"
    with pytest.raises(UsageError, match="nonsense: no such table"):
        results.table("nonsense")


def test_load_only_named_tables(tmp_path):
    path = small().save(tmp_path / "one")
    assert set(Results.load(path, ["events"]).tables) == {"events"}


def test_an_existing_folder_is_kept_unless_it_is_to_be_replaced(tmp_path):
    path = small().save(tmp_path / "one")
    before = (path / "meta.json").read_bytes()
    with pytest.raises(UsageError, match="already exists"):
        small().save(path)
    assert (path / "meta.json").read_bytes() == before
    changed = small()
    changed.meta["kind"] = "sweep"
    changed.save(path, replace=True)
    assert Results.load(path).meta["kind"] == "sweep"
    other = tmp_path / "photos"
    other.mkdir()
    (other / "cat.jpg").write_text("")
    with pytest.raises(UsageError, match="already exists"):
        small().save(other, replace=True)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["one", "photos"]


def test_nothing_is_left_when_saving_fails(tmp_path):
    broken = small()
    broken.meta["bad"] = object()
    with pytest.raises(TypeError):
        broken.save(tmp_path / "one")
    assert list(tmp_path.iterdir()) == []
    lacking = small()
    del lacking.tables["events"]["count"]
    with pytest.raises(UsageError, match="table events: lacks column count"):
        lacking.save(tmp_path / "one")
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot be written"):
        small().save(tmp_path / "file" / "one")


@pytest.mark.parametrize("schema", [0, SCHEMA + 1, "1", None, True])
def test_another_schema_is_refused_in_one_line(tmp_path, schema):
    path = small().save(tmp_path / "one")
    meta = json.loads((path / "meta.json").read_text()) | {"schema": schema}
    (path / "meta.json").write_text(json.dumps(meta))
    with pytest.raises(UsageError, match=rf"meta.json: results schema is {schema!r}, expected {SCHEMA}$"):
        Results.load(path)


def test_an_old_schema_is_upgraded_while_it_is_read(tmp_path, monkeypatch):
    path = small().save(tmp_path / "one")
    old = pd.read_parquet(path / "events.parquet").rename(columns={"count": "number"})
    old.to_parquet(path / "events.parquet")
    meta = json.loads((path / "meta.json").read_text()) | {"schema": SCHEMA - 1}
    (path / "meta.json").write_text(json.dumps(meta))

    def upgrade(meta, tables):
        meta["upgraded"] = True
        tables["events"] = tables["events"].rename(columns={"number": "count"})

    monkeypatch.setitem(module.UPGRADES, SCHEMA - 1, upgrade)
    back = Results.load(path)
    assert back.meta["schema"] == SCHEMA and back.meta["upgraded"]
    assert list(back.tables["events"]["count"]) == [2, 1]
    meta, columns = load_columns(path)
    assert meta["upgraded"] and columns["events"]["count"].to_pylist() == [2, 1]


@pytest.mark.parametrize("load", [Results.load, load_columns])
def test_damage_is_named(tmp_path, load):
    path = small().save(tmp_path / "one")
    parquet = path / "events.parquet"
    whole = parquet.read_bytes()
    parquet.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UsageError, match=r"events\.parquet: not a readable Parquet file, perhaps truncated") as caught:
        load(path)
    assert "\n" not in str(caught.value)
    parquet.write_bytes(b"")
    with pytest.raises(UsageError, match=r"events\.parquet"):
        load(path)
    pd.DataFrame({"event": ["lock"]}).to_parquet(parquet)
    with pytest.raises(UsageError, match=r"events\.parquet: lacks column design"):
        load(path)
    (path / "meta.json").write_text('{"schema": 1')
    with pytest.raises(UsageError, match=r"meta\.json: not valid JSON"):
        load_meta(path)
    (path / "meta.json").write_text("[1]")
    with pytest.raises(UsageError, match="expected a JSON object, found list"):
        load_meta(path)
    (path / "meta.json").unlink()
    with pytest.raises(UsageError, match="not a results folder"):
        load(path)
    with pytest.raises(UsageError, match="does not exist"):
        load(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="is a file"):
        load(parquet)


def test_rows_fill_what_they_leave_out():
    table = frame("transitions", [{"design": "old", "extra": 1}, {"design": "new"}])
    assert table.loc[1, "group"] == "" and table.loc[0, "samples"] == 0 and math.isnan(table.loc[0, "time_ns"])
    assert table.loc[0, "extra"] == 1
    assert {column: str(table[column].dtype) for column in ("ok", "gic", "instructions")} == {
        "ok": "bool",
        "gic": "int64",
        "instructions": "float64",
    }
    assert list(frame("events", []).columns) == list(TABLES["events"])


def test_runs_are_found_in_the_order_they_started(tmp_path):
    for name, started in (("b", "2026-01-01T00:00:00+00:00"), ("a", "2026-02-01T00:00:00+00:00")):
        results = small()
        results.meta["started"] = started
        results.save(tmp_path / name)
    (tmp_path / "empty").mkdir()
    assert [folder.name for folder in find_runs(tmp_path)] == ["b", "a"]
    with pytest.raises(UsageError, match="not a folder"):
        find_runs(tmp_path / "none")


def test_folder_names_do_not_collide(tmp_path):
    first = new_folder("run", tmp_path)
    assert first.name.endswith("-run")
    first.mkdir()
    assert new_folder("run", tmp_path) != first
