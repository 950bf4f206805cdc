# SPDX-License-Identifier: GPL-2.0-only
"""Price lists made from measurements: micro-bench's output, and a recording's time stamps."""

import json
from pathlib import Path

import numpy as np
import pytest

from bench.recordings.convert import open_recording
from bench.switches import micro_bench
from bench.switches.host_times import host_times, middle_mean
from bench.switches.platform_checks import evaluate
from kvmarm.errors import UsageError
from kvmarm.platforms import load_platform
from tests.cli import assert_refused, vgic_bench

OUTPUT = """\
Timer Frequency 100000000 Hz (Output in microseconds)

name                                    total ns                         avg ns
--------------------------------------------------------------------------------------------
hvc                                 {hvc_total}                           {hvc}
mmio_read_user                      472776704.0                         7214.0
mmio_read_vgic                      140902400.0                         2150.0
eoi                                   2949120.0                           45.0
ipi                                 326303744.0                         4979.0
ipi_hw test skipped
lpi                                 359202816.0                         5481.0
timer_10ms                             125300.0                          489.5
"""


def _output(hvc: float = 1536.0) -> str:
    return OUTPUT.format(hvc_total=hvc * 65536, hvc=hvc)


def _measure(*arguments: object) -> dict:
    done = vgic_bench("platforms", "--measure", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_price_list_of_micro_benchs_output(tmp_path: Path) -> None:
    (tmp_path / "out.txt").write_text(_output())
    target = tmp_path / "mine.toml"
    found = _measure(tmp_path / "out.txt", "--clock", "2.1", "--no-vhe", "-o", target)
    assert found["assumptions"] == ["GICv3 (--gic)"]
    platform = load_platform(str(target))
    assert (platform.name, platform.gic, platform.clock_ghz) == ("mine", 3, 2.1)
    outcomes = {outcome.check.name: outcome for outcome in (evaluate(platform, check) for check in platform.checks)}
    assert outcomes["hypercall"].check.published == pytest.approx(1536 * 2.1)
    for outcome in outcomes.values():
        if outcome.check.use == "fit":
            assert abs(outcome.error) < 0.001, outcome.check.name
    # The one figure that no price was made of.
    assert [name for name, outcome in outcomes.items() if outcome.check.use == "prediction"] == ["LPI"]
    assert abs(outcomes["LPI"].error) < 0.1
    assert platform.term("guest_ack_eoi") == pytest.approx(2 * 45 * 2.1)
    for price in (*platform.prices.values(), *platform.terms.values()):
        assert price.error is not None and price.derivation and price.source
    by_check = {row["check"]: row for row in found["figures"]}
    assert by_check["LPI"]["base_error"] == pytest.approx(
        evaluate(load_platform("neoverse-n1"), outcomes["LPI"].check).error, abs=1e-3
    )


def test_prices_that_leave_nothing_for_the_run_loop_are_scaled(tmp_path: Path) -> None:
    (tmp_path / "out.txt").write_text(_output(200.0))
    found = _measure(tmp_path / "out.txt", "--clock", "2.1", "--no-vhe")
    assert 0 < found["scale"] < 1
    hypercall = found["figures"][0]
    assert hypercall["check"] == "hypercall" and abs(hypercall["error"]) < 0.001
    terms = {row["name"]: row for row in found["prices"]}
    assert terms["run_loop"]["cycles"] > 0
    assert terms["load"]["cycles"] == pytest.approx(found["scale"])


def test_several_runs_have_a_spread() -> None:
    runs = micro_bench.parse(_output(100.0) + _output(110.0) + _output(120.0), "out")
    mean, error = micro_bench.mean_of(runs["hvc"], micro_bench.resolution(_output()))
    assert mean == pytest.approx(110) and error == pytest.approx(10 / np.sqrt(3))
    mean, error = micro_bench.mean_of(runs["hvc"][:1], 10.0)
    assert mean == 100 and error == pytest.approx(10 / np.sqrt(6 * 65536))


def test_forms_of_micro_benchs_output() -> None:
    assert micro_bench.parse("hvc 408\n| ipi | 1697.5 |\nxyz 3\n", "out") == {
        "hvc": [micro_bench.Average(408.0, 1.0)],
        "ipi": [micro_bench.Average(1697.5, 1.0)],
    }
    assert micro_bench.parse("name   total us   avg us\nhvc  20.0  2.0\n", "out")["hvc"][0].ns == 2000
    with pytest.raises(UsageError, match="out:1: hvc 0 ns: expected more than 0"):
        micro_bench.parse("hvc 0 0\n", "out")


def _stay(vcpu: int, time: float, reason: str, middle: str = "", spent: float = 2e-6) -> str:
    """Return an exit of vCPU `vcpu` at `time`, what was traced next, and the entry `spent` seconds later."""
    head = f"  kvm-vcpu-{vcpu}-{300 + vcpu}  [00{vcpu}] d....  "
    text = f"{head}{time:.9f}: kvm_exit: {reason}, PC: 0x80080114\n"
    if middle:
        text += f"{head}{time + spent / 2:.9f}: {middle}\n"
    return text + f"{head}{time + spent:.9f}: kvm_entry: PC: 0x80080118\n"


def _recording() -> str:
    text = "".join(f"  kvm-vcpu-{n}-{300 + n}  [00{n}] d....  1.0000{n}: kvm_entry: PC: 0x80080000\n" for n in range(2))
    text += _stay(0, 1.5, "TRAP: HSR_EC: 0x0024 (DABT_LOW)", "kvm_mmio: mmio read len 4 gpa 0x3fff0004 val 0x480001")
    text += _stay(0, 1.6, "TRAP: HSR_EC: 0x0024 (DABT_LOW)", "kvm_mmio: mmio write len 4 gpa 0x3fff0180 val 0x1")
    sgi = "kvm_sys_access: PC: 80080114 write (3,0,12,11,5) ICC_SGI1R_EL1"
    for number in range(40):
        time = 2 + number / 100
        text += _stay(0, time, "TRAP: HSR_EC: 0x0016 (HVC64)", spent=(1.0 + number % 4 / 10) * 1e-6)
        text += _stay(
            0, time + 1e-3, "TRAP: HSR_EC: 0x0024 (DABT_LOW)", "kvm_mmio: mmio read len 4 gpa 0x3fff0008 val 0x43b"
        )
        text += _stay(
            0,
            time + 2e-3,
            "TRAP: HSR_EC: 0x0024 (DABT_LOW)",
            "kvm_userspace_exit: reason KVM_EXIT_MMIO (6)\n"
            f"  kvm-vcpu-0-300  [000] d....  {time + 2e-3 + 8e-6:.9f}: kvm_mmio: mmio write len 1 gpa 0x1000 val 0x41",
            spent=9e-6,
        )
        text += _stay(0, time + 3e-3, "TRAP: HSR_EC: 0x0018 (SYS64)", sgi)
        text += _stay(1, time + 3e-3 + 4e-6, "IRQ: HSR_EC: 0x0000 (UNKNOWN)")
        # Out for long: it was asleep.
        text += _stay(0, time + 4e-3, "TRAP: HSR_EC: 0x0001 (WFx)", spent=3e-3)
    return text


def test_what_the_host_did_is_timed_by_kind(tmp_path: Path) -> None:
    (tmp_path / "host.txt").write_text(_recording())
    with open_recording(str(tmp_path / "host.txt")) as recording:
        samples = host_times(recording)
    means = {kind: middle_mean(values)[0] for kind, values in samples.items()}
    assert {kind: len(values) for kind, values in samples.items()} == {
        "exit": 40, "gic_mmio": 42, "user_mmio": 40, "sgi_to_exit": 40,
    }  # fmt: skip
    assert means == pytest.approx({"exit": 1150, "gic_mmio": 2000, "user_mmio": 9000, "sgi_to_exit": 3000}, abs=1.5)


def test_a_price_list_of_a_recording_and_of_both(tmp_path: Path) -> None:
    (tmp_path / "host.txt").write_text(_recording())
    (tmp_path / "out.txt").write_text(_output())
    found = _measure(tmp_path / "host.txt", "--clock", "2.0")
    terms = {row["name"]: row for row in found["prices"]}
    assert terms["run_loop"]["certainty"] == terms["mmio_user"]["certainty"] == "measured"
    assert terms["run_loop"]["cycles"] == pytest.approx(1150 * 2.0 - (89 + 83) * 0.5, rel=0.01)
    assert terms["mmio_kernel"]["cycles"] == pytest.approx((2000 - 1150) * 2.0 - 457 * 0.5, rel=0.01)
    assert "GICv3" not in " ".join(found["assumptions"])
    both = _measure(tmp_path / "host.txt", tmp_path / "out.txt", "--clock", "2.0")
    uses = {row["check"]: row["use"] for row in both["figures"]}
    # What nothing traced is what prices follow from.
    assert uses["hypercall"] == "fit" and uses["host: exit"] == "prediction"


def test_the_command_shows_and_refuses(tmp_path: Path) -> None:
    (tmp_path / "out.txt").write_text(_output())
    shown = vgic_bench("platforms", "--measure", tmp_path / "out.txt", "--clock", "2.1", "--no-vhe")
    assert all(len(line) <= 80 for line in shown.stdout.splitlines())
    assert "run_loop" in shown.stdout and "neoverse-n1" in shown.stdout and "name a file with -o" in shown.stdout
    (tmp_path / "none.txt").write_text("nothing\n")
    measure = ("platforms", "--measure")
    assert_refused(vgic_bench(*measure), "expected recordings of a KVM host")
    assert_refused(vgic_bench(*measure, tmp_path / "none.txt"), "not a recording of a known kind")
    assert_refused(vgic_bench(*measure, tmp_path / "out.txt", "-o", tmp_path / "x.txt"), "ends in .toml")
    assert_refused(vgic_bench(*measure, tmp_path / "out.txt", "--clock", "2100"), "expected GHz")
    assert_refused(vgic_bench(*measure, tmp_path / "out.txt", "--base", "seattle", "--gic", "3"), "a GICv2 machine")
    assert_refused(vgic_bench("platforms", "--check", "--clock", "2"), "go with --measure")
    assert not (tmp_path / "x.txt").exists()
