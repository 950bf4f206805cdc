# SPDX-License-Identifier: GPL-2.0-only
"""Recordings that users brought: other architectures, merged reports, restored guests, nothing that tells the GIC."""

import re
from pathlib import Path

import pytest

from bench.recordings.convert import open_recording
from bench.recordings.options import Options
from kvmarm.errors import UsageError
from tests import field
from tests.bench.recordings import recording_files as files

ARM = "kut-gicv3-active-2vcpu.ftrace.txt"


def _lines(path: str, options: Options | None = None) -> list[str]:
    with open_recording(path, options) as recording:
        return files.lines_of(recording)


def _forms(entry: str, leave: str, other: str = "") -> str:
    """Return a recording with such arguments of kvm_entry and kvm_exit."""
    text = "# tracer: nop\n#\n"
    for number in range(8):
        head = f"       CPU 0/KVM-2101    [000] d..1.    99.0001{number}"
        text += f"{head}0: kvm_entry: {entry}\n{head}5: kvm_exit: {leave}\n"
        text += f"{head}7: {other}\n" if other else ""
    return text


X86 = "reason HLT rip 0xffffffff81e2a9b0 info1 0x0 info2 0x0 intr_info 0x00000000 error_code 0x00000000"
OTHERS = {
    "x86, old": _forms("vcpu 0", "reason EXTERNAL_INTERRUPT rip 0x41 info 0 80000041"),
    "x86, AMD": _forms("vcpu 0, rip 0x41e2a9b0", "vcpu 0 reason npf rip 0x41e2a9b0 info1 0x100000014 info2 0xfd"),
    "x86, fields": _forms("vcpu_id=0 rip=0x41e2a9b0", "exit_reason=12 guest_rip=0x41e2a9b0 isa=1 info1=0x0"),
    "x86, report": files.as_report(_forms("vcpu 0, rip 0x41e2a9b0", X86)),
    "x86, perf": re.sub(r"-2101 +(\[000\]) d..1. ", r" 2101 \1 ", _forms("vcpu 0, rip 0x4", X86)).replace(
        " kvm_", " kvm:kvm_"
    ),
    "x86, exits alone": "\n".join(line for line in _forms("x", X86).splitlines() if "kvm_entry" not in line),
    "RISC-V, mended": _forms("PC: 0xffffffff80001000", "SEPC:0xffffffff80001000, SCAUSE:0x17, STVAL:0x1, HTVAL:0x4"),
    "RISC-V, fields": _forms("pc=0xffffffff80001000", "sepc=0xffffffff80001000 scause=0x17 stval=0x1 htval=0x4"),
    "PowerPC": _forms("x", "exit=EXTERNAL | pc=0xc000000000123456 | msr=0x8000 | dar=0x0 | last_inst=0x7c0004ac"),
    "s390": _forms("", "").replace("kvm_entry: ", "kvm_s390_sie_enter: 00[0404c00180000000-0000000000123456]: entering "
    "sie flags 0").replace("kvm_exit: ", "kvm_s390_sie_exit: 00[0404c0018000-0000123456]: exit sie instruction "),
    "LoongArch": _forms("PC: 0x90000000", "[TLBL]PC: 0x90").replace("kvm_entry", "kvm_enter"),
    "unknown": _forms("cpu=3 state=7", "cause 12"),
}  # fmt: skip


@pytest.mark.parametrize("name", [*OTHERS, "other-architectures_x86", "other-architectures_riscv"])
def test_another_architecture_is_refused_in_one_line(name: str, tmp_path: Path) -> None:
    path = tmp_path / "other.txt"
    path.write_text(OTHERS[name] if name in OTHERS else field.text(name))
    with pytest.raises(UsageError) as refused:
        open_recording(str(path))
    said = str(refused.value)
    assert "\n" not in said and "expected a recording made on an Arm host" in said
    named = re.match(r"(?:other-architectures_)?(x86|riscv|RISC-V|PowerPC|s390|LoongArch|unknown)", name)
    assert named is not None
    assert {"riscv": "RISC-V", "unknown": "another architecture"}.get(named[1], named[1]) in said


def test_a_trace_dat_of_another_architecture_is_refused(tmp_path: Path) -> None:
    # Its kvm_entry and kvm_exit have other fields.
    data = files.as_trace_dat(files.text(ARM)).replace(b"vcpu_pc", b"guestrp")
    only = data.replace(b"name: vgic_", b"name: xgic_").replace(b"name: kvm_sys", b"name: xvm_sys")
    only = only.replace(b"name: kvm_wfx", b"name: xvm_wfx")
    (tmp_path / "trace.dat").write_bytes(only)
    with pytest.raises(UsageError, match="expected a recording made on an Arm host"):
        open_recording(str(tmp_path / "trace.dat"))


def test_arm_recordings_stay_arm(tmp_path: Path) -> None:
    # Lines of another machine's, pasted into one of Arm's, are lines that are not understood.
    mixed = files.text(ARM) + "".join(OTHERS["x86, old"].splitlines(keepends=True)[2:])
    (tmp_path / "mixed.txt").write_text(mixed)
    with open_recording(str(tmp_path / "mixed.txt")) as recording:
        assert recording.lines["malformed"] == 16
    # A kernel's own printing of the exit, the plugin's words before it, addresses of 32 bits: all Arm's.
    for entry, leave in (
        ("PC: 0x8001086c", "PC: 0x80010868; exit count: 1777"),
        ('CAN\'T FIND FIELD "vcpu_id"<CANT FIND FIELD rip>PC: 0x80', "<CANT FIND FIELD exit_reason>TRAP: HSR_EC: "
         "0x0024 (DABT_LOW), PC: 0x80"),
        ("vcpu_pc=18446603336221196288", "ret=2 esr_ec=24 vcpu_pc=18446603336221196288"),
    ):  # fmt: skip
        (tmp_path / "arm.txt").write_text(_forms(entry, leave))
        with open_recording(str(tmp_path / "arm.txt")) as recording:
            assert recording.lines["malformed"] == 0 and recording.lines["events"] == 16


@pytest.mark.parametrize(
    ("leave", "name"),
    [
        ("TRAP: HSR_EC: 0x0018 (SYS64), PC: 0x80", "SYS64"),
        ("ret=2 esr_ec=0x24 vcpu_pc=0x80", "DABT_LOW"),
        ("IRQ: HSR_EC: 0x0000 (UNKNOWN), PC: 0x80", "IRQ"),
        ("ret=0 esr_ec=0 vcpu_pc=0x80", "IRQ"),
        ("PC: 0x80", "not printed"),
    ],
)
def test_exits_are_counted_by_what_ended_the_stay(leave: str, name: str, tmp_path: Path) -> None:
    (tmp_path / "exits.txt").write_text(_forms("PC: 0x80", leave))
    with open_recording(str(tmp_path / "exits.txt")) as recording:
        assert recording.exits == {name: 8}


def test_a_merged_report_is_its_host_alone(tmp_path: Path) -> None:
    merged, host = field.text("host-guest-merged_merged"), field.text("host-guest-merged_host")
    expected = _lines(field.write("host-guest-merged_host", tmp_path))
    assert _lines(field.write("host-guest-merged_merged", tmp_path)) == expected
    # A guest's thread has the PID of the host's vCPU thread; its own lines are not the host's.
    clash = merged.replace("<idle>-0   ", "idle-4594  ")
    clash += "trace-tumbleweed.dat: x-4594  [000]  2.168: vgic_update_irq_pending: VCPU: 0, IRQ 40, level: 1\n"
    for name, content in {"clash": clash, "paths": re.sub(r"(?m)^ *(trace\S*dat):", r"/var/tmp/\1:", merged)}.items():
        (tmp_path / name).write_text(content)
        converted = [line for line in _lines(str(tmp_path / name)) if not line.startswith("config")]
        assert converted == [line for line in expected if not line.startswith("config")], name
    # Guests of a guest: which machine is meant nobody can say.
    nested = merged + "".join(
        f"trace-tumbleweed.dat: {line.strip()}\n" for line in host.splitlines() if "kvm_e" in line
    )
    (tmp_path / "nested").write_text(nested)
    with pytest.raises(UsageError, match="2 merged recordings have kvm_entry events"):
        open_recording(str(tmp_path / "nested"))


def test_a_thread_name_with_a_colon_is_no_recording(tmp_path: Path) -> None:
    text = re.sub(r"kvm-vcpu-(\d)-", r"VMM: vCPU \1-", files.text(ARM))
    (tmp_path / "colon.txt").write_text(text)
    assert _lines(str(tmp_path / "colon.txt")) == _lines(files.path(ARM))


def test_a_restored_timer_was_not_handled_before(tmp_path: Path) -> None:
    path = field.write("restored-snapshot", tmp_path)
    with open_recording(path) as recording:
        files.lines_of(recording)
        assert recording.placed["acks_assumed"] == 10
        assert recording.lines["malformed"] == 0
    # Without the states that KVM restored nothing tells that the first interrupt waited.
    unknown = "".join(line for line in field.text("restored").splitlines(keepends=True) if "restore_state" not in line)
    (tmp_path / "unknown.txt").write_text(unknown)
    with open_recording(str(tmp_path / "unknown.txt")) as recording:
        files.lines_of(recording)
        assert recording.placed["acks_assumed"] == 11


def _version(text: str, tmp_path: Path, options: Options | None = None) -> tuple[int, bool, str]:
    (tmp_path / "version.txt").write_text(text)
    with open_recording(str(tmp_path / "version.txt"), options) as recording:
        return recording.config.gic, recording.assumed_gic, recording.facts["GIC"]


def test_a_gic_version_that_nothing_tells_is_assumed(tmp_path: Path) -> None:
    text = field.text("seven-flags")
    gic, assumed, said = _version(text, tmp_path)
    assert (gic, assumed) == (3, True) and "assumed" in said
    assert _version(text, tmp_path, Options(gic=2)) == (2, False, "GICv2, distributor at 0x8000000")
    assert _version(text, tmp_path, Options(gic_unless_told=2))[:2] == (2, True)


@pytest.mark.parametrize(
    ("access", "gic"),
    [
        ("mmio write len 4 gpa 0x8000f00 val 0x10001", 2),
        ("mmio write len 4 gpa 0x8000820 val 0x1010101", 2),
        ("mmio read len 4 gpa 0x8000004 val 0x27", 2),
        ("mmio write len 4 gpa 0x8000000 val 0x1", 2),
        ("mmio read len 4 gpa 0x8000004 val 0x480027", 3),
        ("mmio write len 4 gpa 0x8000000 val 0x12", 3),
        ("mmio write len 8 gpa 0x8006200 val 0x0", 3),
    ],
)
def test_what_tells_the_gic_version(access: str, gic: int, tmp_path: Path) -> None:
    text = field.text("seven-flags")
    place = "       CPU 0/KVM-4201    [001] .......  1000.000130: kvm_mmio: "
    first = text.index("          <idle>-0")
    assert _version(text[:first] + place + access + "\n" + text[first:], tmp_path)[:2] == (gic, False)


def test_seven_flag_characters_are_flags(tmp_path: Path) -> None:
    text = field.text("seven-flags")
    five = re.sub(r"(\[00\d\] .....)..", r"\1", text)
    (tmp_path / "five.txt").write_text(five)
    assert _lines(str(tmp_path / "five.txt")) == _lines(field.write("seven-flags", tmp_path))
