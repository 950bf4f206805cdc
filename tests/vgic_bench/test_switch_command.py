# SPDX-License-Identifier: GPL-2.0-only
"""`vgic-bench switch` as a user meets it."""

import json
from pathlib import Path

from bench.switches.listing import compare_groups, run
from tests.cli import assert_refused, vgic_bench
from tests.switch_models.recorded import configuration, runs, values


def test_steps_from_a_file(tmp_path: Path) -> None:
    chosen = {run["id"]: values(run) for run in runs()[::100]}
    path = tmp_path / "runs.jsonl"
    path.write_text("\n".join(json.dumps(each) for each in chosen.values()) + "\n")
    done = vgic_bench("switch", "steps", "--configs", path, "--json")
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert all(list(each) == ["id", "implementation", "phase", "sequence", "counts", "total"] for each in found)
    recorded = {(run["id"], run["phase"]): run for run in runs() if run["id"] in chosen}
    assert len(found) == len(recorded)
    assert all(each["counts"] == recorded[each["id"], each["phase"]]["counts"] for each in found)


def test_a_line_may_ask_for_one_phase(tmp_path: Path) -> None:
    line = json.dumps({"implementation": "c48", "fp_used": "1", "phase": "fptrap"})
    done = vgic_bench("switch", "steps", "--configs", "-", "--json", stdin=line.encode())
    assert [json.loads(line)["phase"] for line in done.stdout.splitlines()] == ["fptrap"]


def test_steps_from_options() -> None:
    done = vgic_bench("switch", "steps", "--switch", "c", "--vhe", "--gic", "v3", "--live-lrs", 2, "--fp", "--json")
    results = [json.loads(line) for line in done.stdout.splitlines()]
    assert [each["phase"] for each in results] == ["entry", "fptrap", "exit"]
    expected = run(configuration(implementation="c48-vhe", gic="v3", live_lrs=2, fp_used=1))
    assert [each["counts"] for each in results] == [ran.counts() for ran in expected.values()]
    plain = vgic_bench("switch", "steps")
    assert "230 instructions" in plain.stdout
    assert all(len(line) <= 80 for line in plain.stdout.splitlines())


def test_comparison_adds_up() -> None:
    rows = compare_groups(configuration(live_lrs=1))
    total = rows[-1]
    assert total["group"] == "total"
    for title, implementation in (("asm", "asm44"), ("c", "c48"), ("c+VHE", "c48-vhe")):
        assert sum(row[title]["instructions"] for row in rows[:-1]) == total[title]["instructions"]
        ran = run(configuration(implementation=implementation, live_lrs=1))
        assert total[title]["instructions"] == sum(sum(one.counts().values()) for one in ran.values())
    groups = {row["group"]: row for row in rows}
    assert (groups["VGIC registers"]["asm"]["save"], groups["VGIC registers"]["asm"]["restore"]) == (42, 33)
    for row in rows:
        assert all(row[title]["save"] + row[title]["restore"] == row[title]["instructions"] for title in ("asm", "c"))
    assert groups["VGIC registers"]["asm"]["counts"]["gich_read"] == 11
    assert groups["VGIC registers"]["c"]["counts"]["gich_read"] == 4
    assert groups["return state"]["c"]["accesses"] == 24
    assert all(row["why"] for row in rows[:-1])


def test_compare_and_show_commands() -> None:
    done = vgic_bench("switch", "compare", "--platform", "xgene", "--json")
    rows = json.loads(done.stdout)
    assert rows[-1]["asm"]["cycles"] > rows[-1]["c"]["cycles"] > 0
    assert "VGIC registers" in vgic_bench("switch", "compare").stdout
    shown = vgic_bench("switch", "show", "--switch", "c", "--phase", "exit", "--live-lrs", 1).stdout
    assert "msr CPTR_EL2" in shown and "; virtual timer" in shown
    assert all(len(line) <= 80 for line in shown.splitlines()[:3])
    executed = vgic_bench("switch", "show", "--phase", "entry", "--executed").stdout
    assert not any(line.startswith("-") for line in executed.splitlines())


def test_bad_input(tmp_path: Path) -> None:
    assert_refused(vgic_bench("switch", "steps", "--vhe"), "asm", "VHE")
    assert_refused(vgic_bench("switch", "steps", "--live-lrs", 5), "5 live list registers", "nr_lr is 4")
    assert_refused(vgic_bench("switch", "steps", "--exit", "smc"), "'smc'", "hvc, irq, dabt, dabt_perm")
    assert_refused(vgic_bench("switch", "steps", "--switch", "rust"), "rust", "known: asm, c")
    assert_refused(vgic_bench("switch", "show", "--phase", "middle"), "--phase", "middle")
    assert_refused(vgic_bench("switch", "compare", "--platform", "xgene", "--gic", "v3"), "GICv2")
    path = tmp_path / "bad.jsonl"
    for line, part in (
        ('{"implementation": "asm44", "vhe": "1"}', "no VHE"),
        ('{"implementation": "d51"}', "'d51' is not one of asm44, c48, c48-vhe"),
        ("[1]", "expected one JSON object"),
        ("{", "expected one JSON object"),
        ('{"phase": "fptrap"}', "no fptrap with fp_used=0"),
    ):
        path.write_text("{}\n" + line + "\n")
        assert_refused(vgic_bench("switch", "steps", "--configs", path, "--json"), "bad.jsonl: line 2", part)
    assert_refused(vgic_bench("switch", "steps", "--configs", tmp_path / "none"), "cannot be read")
    path.write_text("\n \n")
    assert_refused(vgic_bench("switch", "steps", "--configs", path), "bad.jsonl: no configurations")


def test_sweep() -> None:
    done = vgic_bench("switch", "sweep", "--vary", "live_lrs=0..2", "--vary", "nr_lr=1,4", "--rounds", 100, "--json")
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    # with one list register, two cannot be live
    assert len(rows) == (3 * 2 - 1) * 3
    assert all(row["per_second"] > 0 and row["rounds"] == 100 for row in rows)
    asm = [row["entry"] for row in rows if row["switch"] == "asm" and "nlr4" in row["configuration"]]
    assert asm == [230, 230, 230]
    shown = vgic_bench("switch", "sweep", "--vary", "gic=v2,v3", "--platform", "xgene", "--rounds", 10).stdout
    assert "gic=v3" in shown
    assert all(len(line.rstrip()) <= 80 for line in shown.splitlines())


def test_bad_sweeps() -> None:
    for arguments, part in (
        (("--vary", "live_lrs"), "KEY=VALUE"),
        (("--vary", "live_lrs=4..1"), "FIRST..LAST"),
        (("--vary", "colour=red"), "unknown key 'colour'"),
        (("--vary", "live_lrs=9"), "the sweep is empty"),
        (("--vary", "live_lrs=x"), "live_lrs"),
        (("--vary", "live_lrs=0..99999999999"), "no more than 1,024 values"),
        (("--set", "nr_lr=x"), "nr_lr"),
        (("--set", "gic"), "--set 'gic': expected KEY=VALUE"),
        (("--vary", "gic=v2", "--vary", "gic=v3"), "gic is given twice"),
        (("--vary", "implementation=asm44"), "every switch is run anyway"),
    ):
        assert_refused(vgic_bench("switch", "sweep", *arguments), part)
