# SPDX-License-Identifier: GPL-2.0-only
"""Other printings, kernels and virtual machine monitors: the same events convert to the same operations."""

import re
from collections.abc import Callable

import pytest

from bench.recordings.convert import open_recording
from bench.recordings.options import Options
from bench.recordings.placement import common as placing
from bench.recordings.recording import Recording
from kvmarm.errors import UsageError
from tests.bench.recordings import recording_files as files

V3 = "linux5.10-kut-gicv3-ipi-2vcpu.ftrace.txt"
"""Both vCPUs of this one enter the guest; four flag characters."""
PROBED = "kprobes-kut-gicv3-ipi-2vcpu.ftrace.txt"
PREFIX = re.compile(r"^ *(\S+)-(\d+) +\[(\d+)\] (\S+) +(\d+)\.(\d+): ", re.MULTILINE)


def convert(tmp_path, text: str, options: Options | None = None) -> tuple[Recording, list[str]]:
    (tmp_path / "other.txt").write_text(text, newline="")
    with open_recording(str(tmp_path / "other.txt"), options) as recording:
        return recording, files.lines_of(recording)


def original(name: str) -> list[str]:
    with open_recording(files.path(name)) as recording:
        return files.lines_of(recording)


def _as_fields(text: str) -> str:
    """Arguments as `field=value`, as `trace-cmd report -R` and the kernel's option `fields` print them."""
    kinds = {"u": 0, "r": 1, "w": 2}
    text = re.sub(
        r"kvm_mmio: mmio (\S)\S+ len (\d) gpa (\w+) val (\w+)",
        lambda m: f"kvm_mmio: type={kinds[m[1]]} len={m[2]} gpa={m[3]} val={m[4]}",
        text,
    )
    text = re.sub(r"pending: VCPU: (\d), IRQ (\d+), level: (\d)", r"pending: vcpu_id=\1 irq=\2 level=\3", text)
    text = re.sub(r"kvm_get_timer_map: VCPU: (\d)", r"kvm_get_timer_map: vcpu_id=\1", text)
    text = re.sub(
        r"PC: (\w+) \S+ \((\d+),(\d+),(\d+),(\d+),(\d+)\) (write|read)",
        r"vcpu_pc=0x\1 is_write=1 name=0xffffd9b07cbf0b98 Op0=\2 Op1=\3 CRn=\4 CRm=\5 Op2=\6",
        text,
    )
    return re.sub(r"guest executed wf(.) at: (\w+)", lambda m: f"vcpu_pc={m[2]} is_wfe={'ie'.index(m[1])}", text)


def _as_kernel_fields(text: str) -> str:
    """What the kernel's option `fields` makes of numbers: each in hexadecimal and again in decimal."""
    return re.sub(r"=(0x\w+|\d+)\b", lambda m: f"={int(m[1], 0):#x} ({int(m[1], 0)})", _as_fields(text))


FORMS: dict[str, Callable[[str], str]] = {
    "irq-info off": lambda text: re.sub(r"(\[\d+\]) \S{4,5} ", r"\1 ", text),
    "clock counter": lambda text: PREFIX.sub(
        lambda m: f"{m[1]:>16}-{m[2]:<7} [{m[3]}] {m[4]} {int(m[5]) * 62500000 + int(m[6]) * 62:12d}: ", text
    ),
    "CRLF": lambda text: text.replace("\n", "\r\n"),
    "headings in the middle": lambda text: re.sub(r"(kvm_exit:.*\n)", r"\1# tracer: nop\n#\n\n", text),
    "time differences": lambda text: re.sub(r"(\.\d{6}): ", r"\1: (+12)     ", text),
    "latency format": lambda text: PREFIX.sub(
        lambda m: f"{m[1][:8]:>8}-{m[2]:<7} {int(m[3]):3d}{m[4]} {int(m[5]) * 10**6 + int(m[6]):4d}us+: ", text
    ),
    "latency format, no mark": lambda text: PREFIX.sub(
        lambda m: f"{m[1][:8]:>8}-{m[2]:<7} {int(m[3]):3d}{m[4]} {int(m[5]) * 10**6 + int(m[6]):4d}us : ", text
    ),
    "trace-cmd's latency format": lambda text: PREFIX.sub(
        lambda m: f"{m[1][:8]:>8}-{m[2]:<5} {int(m[3]):3d}{m[4]} {m[5]:>5}.{m[6]}: ", text
    ),
    "perf script": lambda text: PREFIX.sub(lambda m: f"{m[1]:>16} {m[2]:>5} [{m[3]}] {m[5]}.{m[6]}:   kvm:", text),
    "perf script, PID/TID": lambda text: PREFIX.sub(
        lambda m: f"{m[1]:>16}   140/{m[2]:<5} [{m[3]}] {m[5]}.{m[6]}:   kvm:", text
    ),
    "fields": _as_fields,
    "the kernel's fields": _as_kernel_fields,
    "thread groups of some": lambda text: re.sub(
        r"-(\d+)( +\[)", lambda m: f"-{m[1]} ({'-------' if int(m[1]) % 2 else '    140'}) [", text
    ),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_printings_of_the_same_events(tmp_path, form: str) -> None:
    text = FORMS[form](files.text(V3))
    assert text != files.text(V3)
    recording, lines = convert(tmp_path, text)
    assert lines == original(V3)
    assert recording.lines["unknown"] == recording.lines["malformed"] == 0


@pytest.mark.parametrize(
    "naming",
    ["CPU {}/KVM", "vm[3] vcpu {}", "[vm] vcpu-{}", "a: b-12 [001] vcpu{}", "vm-9 [1] vcpu {}", "foo/vcpu:{}", "<...>",
     "kvm-vcpu-{}]", "(vcpu {})", "qemu-system-aar", "fc_vcpu {}", "vcpu_{}"],
)  # fmt: skip
def test_names_that_look_like_other_fields(tmp_path, naming: str) -> None:
    text = re.sub(r"kvm-vcpu-(\d)-", lambda match: naming.format(match[1]) + "-", files.text(V3))
    assert convert(tmp_path, text)[1] == original(V3)


@pytest.mark.parametrize("naming", ["vcpu {next}", "some-guest-vcpu1", "vcpu 7"])
def test_the_kernel_knows_better_than_names(tmp_path, naming: str) -> None:
    # Counted from 1, or cut off after 15 characters.
    text = re.sub(r"kvm-vcpu-(\d)-", lambda match: naming.format(next=int(match[1]) + 1) + "-", files.text(V3))
    recording, lines = convert(tmp_path, text)
    assert lines == original(V3) and recording.config.vcpus == 2


def test_a_name_may_come_late(tmp_path) -> None:
    # Who reads trace_pipe sees <...> until the kernel has saved the thread's name.
    lines = [line for line in files.text(V3).splitlines() if "kvm_get_timer_map" not in line]
    for number in range(len(lines) // 2):
        lines[number] = re.sub(r"kvm-vcpu-\d-", "<...>-", lines[number])
    assert convert(tmp_path, "\n".join(lines) + "\n")[1] == original(V3)


def test_a_recording_that_starts_inside_a_guest_learns_its_threads_later(tmp_path) -> None:
    lines = re.sub(r"kvm-vcpu-\d-", "qemu-system-aar-", files.text(V3)).splitlines()
    for pid in ("-149 ", "-150 "):
        entry = next(number for number, line in enumerate(lines) if pid in line and "kvm_entry" in line)
        lines = [
            line for number, line in enumerate(lines) if number >= entry or pid not in line or "timer_map" not in line
        ]
    recording, _ = convert(tmp_path, "\n".join(lines) + "\n")
    assert recording.facts["vCPUs"] == "vCPUs 0: PID 149, 1: PID 150"


def _moved(text: str, distributor: int, redistributors: int) -> str:
    def place(match: re.Match) -> str:
        address = int(match[1], 16)
        if 0x3FFB0000 <= address < 0x3FFF0000:
            address += redistributors - 0x3FFB0000
        elif 0x3FFF0000 <= address < 0x40000000:
            address += distributor - 0x3FFF0000
        return f"gpa {address:#x}"

    return re.sub(r"gpa (0x\w+)", place, text)


@pytest.mark.parametrize(
    ("distributor", "redistributors"),
    [(0x08FF0000, 0x08FB0000), (0x08000000, 0x080A0000), (0x2F000000, 0x2F100000), (0x8000000, 0x4000000000)],
)
def test_redistributors_are_found_wherever_they_are(tmp_path, distributor: int, redistributors: int) -> None:
    recording, lines = convert(tmp_path, _moved(files.text(V3), distributor, redistributors))
    assert lines == original(V3)
    assert f"distributor at {distributor:#x}, redistributors at {redistributors:#x}" in recording.facts["GIC"]


def _gicv2(base: int, sgis_only: bool = False) -> str:
    """A boot of two vCPUs on a GICv2 whose distributor is at `base`, made of the events that KVM traces."""
    accesses = [("read", 4, 0x21), ("write", 0x180, 0xFFFFFFFF), ("write", 0x420, 0xA0A0A0A0), ("write", 0, 1)]
    accesses = [] if sgis_only else accesses
    accesses += [("write", 0xF00, 0x00020001)] * 3
    lines, time = [], 1000000

    def say(vcpu: int, event: str) -> None:
        nonlocal time
        time += 10
        lines.append(f"  kvm-vcpu-{vcpu}-{150 + vcpu} [00{vcpu}] ..... {time // 10**6}.{time % 10**6:06d}: {event}")

    say(1, "kvm_entry: PC: 0x80000000")
    say(0, "kvm_entry: PC: 0x80000000")
    for kind, offset, value in accesses:
        say(0, "kvm_exit: TRAP: HSR_EC: 0x0024 (DABT_LOW), PC: 0x80000000")
        say(0, f"kvm_mmio: mmio {kind} len 4 gpa {base + offset:#x} val {value:#x}")
        # A device right behind the distributor.
        say(0, f"kvm_mmio: mmio write len 4 gpa {base + 0x1000:#x} val 0x3")
        say(0, "kvm_entry: PC: 0x80000000")
        say(1, "kvm_exit: IRQ: HSR_EC: 0x0000 (UNKNOWN), PC: 0x80000000")
        say(1, "kvm_entry: PC: 0x80000000")
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("base", [0x3FFFF000, 0x3FFF0000, 0x08000000, 0x2C001000])
def test_a_gicv2_is_found_at_any_page(tmp_path, base: int) -> None:
    recording, lines = convert(tmp_path, _gicv2(base))
    assert recording.config.gic == 2
    assert f"distributor at {base:#x}" in recording.facts["GIC"]
    assert lines.count("mmio_w 0 d 0xf00 4 0x20001") == 3
    assert recording.placed["other_mmio"] == 7 and recording.placed["illegal"] == 0
    # Its software interrupts alone tell where it is.
    recording, lines = convert(tmp_path, _gicv2(base, sgis_only=True))
    assert recording.config.gic == 2 and lines.count("mmio_w 0 d 0xf00 4 0x20001") == 3


def test_vcpus_that_never_run_count(tmp_path) -> None:
    # GICD_TYPER of a GICv2 tells how many there are.
    recording, _ = convert(tmp_path, _gicv2(0x08000000).replace("val 0x21", "val 0x61"))
    assert recording.config.vcpus == 4
    # Nine do not fit a GICv2.
    with pytest.raises(UsageError, match=r"other.txt: GICv2 of 9 vCPUs.* expected 1\.\.8"):
        convert(tmp_path, _gicv2(0x08000000).replace("kvm-vcpu-1", "kvm-vcpu-8"))


def test_a_gic_of_unknown_version_is_said_to_be_assumed(tmp_path) -> None:
    recording, _ = convert(tmp_path, "".join(line + "\n" for line in files.text(V3).splitlines() if "kvm_e" in line))
    assert recording.facts["GIC"].startswith("GICv3 (assumed")
    recording, _ = convert(tmp_path, files.text(V3))
    assert recording.facts["GIC"].startswith("GICv3, distributor at")
    recording, _ = convert(tmp_path, files.text(V3), Options(gic_base=0x1000))
    assert "(never accessed)" in recording.facts["GIC"]


def _apart(text: str, pids: int, group: int) -> str:
    return re.sub(r"-(\d+)( +)\[", lambda match: f"-{int(match[1]) + pids} ({group:7d}) [", text)


def test_each_machine_has_its_own_gic(tmp_path) -> None:
    # A GICv3 and a GICv2 at the same address: neither is taken for the other.
    v2 = re.sub(r" 1\.(\d{6}): ", r" 2.\1: ", _gicv2(0x3FFF0000))
    both = _apart(files.text(V3), 0, 140) + _apart(v2, 1000, 1140)
    recording, lines = convert(tmp_path, both, Options(vm=140))
    assert lines == original(V3)
    recording, lines = convert(tmp_path, both, Options(vm=1150))
    assert recording.config.gic == 2
    assert lines == convert(tmp_path, v2)[1]


def test_a_machine_whose_first_vcpu_is_not_recorded(tmp_path) -> None:
    # With thread groups a gap in the numbers is no reason to doubt which thread belongs where.
    text = "\n".join(line for line in files.text(V3).splitlines() if "kvm-vcpu-0" not in line) + "\n"
    both = _apart(text, 0, 140) + _apart(files.text(V3), 1000, 1140)
    recording, _ = convert(tmp_path, both, Options(vm=140))
    assert recording.facts["vCPUs"] == "vCPUs 1: PID 150"


def test_events_out_of_order_are_counted(tmp_path) -> None:
    text = files.text(V3)
    recording, _ = convert(tmp_path, text)
    assert recording.lines["out_of_order"] == 0
    by_cpu = sorted(text.splitlines(), key=lambda line: "[001]" in line)
    recording, _ = convert(tmp_path, "\n".join(by_cpu) + "\n")
    assert recording.lines["out_of_order"] == 1


@pytest.mark.parametrize(
    "name", [V3, PROBED, "kut-gicv3-active-2vcpu.ftrace.txt", "qemu-kut-gicv3-ipi-2vcpu.ftrace.txt",
             "kprobes-linux-ipi-gicv3-2vcpu.excerpt.ftrace.txt", "kut-gicv2-ipi.csv", "kut-gicv2-ipi.qtrace",
             "linux-boot-gicv2-2cpu.csv", "linux-boot-gicv3-4cpu.csv"]
)  # fmt: skip
def test_what_is_seen_inferred_and_dropped_adds_up(name: str) -> None:
    with open_recording(files.path(name)) as recording:
        operations = len(files.lines_of(recording)) - 1
    placed = recording.placed
    sums = {
        group: sum(placed[counter] for kind, counter, _ in placing.COUNTERS if kind == group)
        for group in ("seen", "inferred", "dropped")
    }
    assert sums["seen"] + sums["inferred"] == operations
    events = sums["seen"] + sums["dropped"] + placed["sgi_guessed"] - placed["lpi"] - placed["lr_unmatched"]
    assert events == recording.lines["events"]
    lines = recording.lines
    counted = ("events", "other", "comments", "unknown", "malformed", "lost_markers")
    assert lines["lines"] == sum(lines.get(kind, 0) for kind in counted) + recording.not_converted.total()


def test_trace_dat_counts_add_up_too(tmp_path) -> None:
    (tmp_path / "trace.dat").write_bytes(files.as_trace_dat(files.text("kut-gicv3-active-2vcpu.ftrace.txt")))
    with open_recording(str(tmp_path / "trace.dat")) as recording:
        lines = recording.lines
    assert lines["lines"] == lines["events"] + lines["other"] + lines["malformed"]


LINUX = "kprobes-linux-ipi-gicv3-2vcpu.excerpt.ftrace.txt"


def _without(name: str, *events: str, until: float = 1.0) -> str:
    """Return a recording's text without some events in its first part."""
    lines = files.text(name).splitlines()
    end = int(len(lines) * until)
    return "".join(
        line + "\n"
        for number, line in enumerate(lines)
        if number >= end or not any(f" {event}: " in line for event in events)
    )


@pytest.mark.parametrize("events", [["kvm_entry"], ["kvm_sys_access"], ["kvm_get_timer_map"]])
def test_what_a_probe_tells_needs_no_other_event(tmp_path, events: list[str]) -> None:
    assert convert(tmp_path, _without(LINUX, *events))[1] == original(LINUX)


def test_one_of_the_two_probes_is_as_good_as_none(tmp_path) -> None:
    recording, neither = convert(tmp_path, _without(LINUX, "vgic_lr_entry", "vgic_lr_exit"))
    assert recording.facts["probes"] == "SGI values"
    exits = neither.count("sync 0")
    for missing in ("vgic_lr_entry", "vgic_lr_exit"):
        recording, lines = convert(tmp_path, _without(LINUX, missing))
        assert lines == neither and lines.count("sync 0") == exits
        assert recording.placed["repaired"] == 0 < recording.placed["told_twice"]


def test_probes_may_start_in_the_middle(tmp_path) -> None:
    probes = ("vgic_lr_entry", "vgic_lr_exit", "vgic_sgi1r")
    recording, _ = convert(tmp_path, _without(LINUX, *probes, until=0.5))
    placed = recording.placed
    assert placed["acks_assumed"] > 100 and placed["acks_from_lrs"] > 100
    assert placed["sgi_guessed"] > 10 and placed["sgi"] > 10
    with open_recording(files.path(LINUX)) as whole:
        files.lines_of(whole)
    assert placed["sgi_guessed"] + placed["sgi"] == whole.placed["sgi"]
    assert placed["entries"] == whole.placed["entries"]


STATES = "kprobes-linux-ipi-gicv3-2vcpu.states.ftrace.txt"
"""From the middle, with the timer's states: a guest that writes to its console with interrupts masked."""


def test_the_timers_compare_value_tells_what_the_guest_took(tmp_path) -> None:
    with open_recording(files.path(STATES)) as whole:
        files.lines_of(whole)
    truth = whole.placed["acks_from_lrs"]
    probes = ("vgic_lr_entry", "vgic_lr_exit")
    informed, _ = convert(tmp_path, _without(STATES, *probes))
    assert abs(informed.placed["acks_assumed"] - truth) < truth * 0.05
    assert abs(informed.placed["timer_falls"] - whole.placed["timer_falls"]) < whole.placed["timer_falls"] * 0.03
    assert informed.placed["timer_states"] > 100
    # Every re-assertion would pass for a new interrupt.
    blind, _ = convert(tmp_path, _without(STATES, *probes, "kvm_timer_save_state"))
    assert blind.placed["acks_assumed"] > truth * 1.1


def test_the_timer_state_is_read_from_every_printing(tmp_path) -> None:
    text = _without(STATES, "vgic_lr_entry", "vgic_lr_exit")
    plain, lines = convert(tmp_path, text)
    keyed = re.sub(
        r"CTL: (\w+) CVAL: +(\w+) arch_timer_ctx_index: (\d)",
        lambda m: f"ctl={m[1]} cval={int(m[2], 16)} timer_idx={m[3]}",
        text,
    )
    assert keyed != text
    recording, others = convert(tmp_path, keyed)
    assert others == lines and recording.placed["timer_states"] == plain.placed["timer_states"] > 0


def test_a_line_from_the_vcpus_own_thread_comes_after_the_exit(tmp_path) -> None:
    # The timer fires while the guest runs; the host handles it after the fold and before kvm_exit is traced.
    prefix = "  kvm-vcpu-0-150 [000] ..... 1.{:06d}: {}"
    events = [
        "kvm_entry: PC: 0x80000000",
        "vgic_update_irq_pending: VCPU: 0, IRQ 27, level: 1",
        "kvm_exit: IRQ: HSR_EC: 0x0000 (UNKNOWN), PC: 0x80000000",
        "kvm_entry: PC: 0x80000000",
        "vgic_update_irq_pending: VCPU: 0, IRQ 27, level: 1",
        "kvm_exit: IRQ: HSR_EC: 0x0000 (UNKNOWN), PC: 0x80000000",
        "kvm_entry: PC: 0x80000000",
        "kvm_exit: IRQ: HSR_EC: 0x0000 (UNKNOWN), PC: 0x80000000",
    ]
    text = "".join(prefix.format(10 * number, event) + "\n" for number, event in enumerate(events))
    recording, lines = convert(tmp_path, text)
    start = lines.index("flush 0", lines.index("bpr 0 3")) if "bpr 0 3" in lines else 0
    kinds = [line.split()[0] for line in lines[start : recording.epilogue]]
    assert kinds == ["flush", "sync", "injectm", "phys", "flush", "ack", "eoi", "injectm", "sync", "injectm", "phys",
                     "flush", "ack", "eoi", "injectm", "sync"]  # fmt: skip
    assert recording.placed["repaired"] == 0 and recording.placed["exits"] == 3
