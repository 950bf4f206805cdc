# SPDX-License-Identifier: GPL-2.0-only
"""Recordings that are damaged, mixed or none: one clear line, or a counted warning."""

import gzip
import lzma
import os
import re
import subprocess
import sys

import pytest

from bench.recordings.convert import open_recording
from bench.recordings.options import Options, parse_address, parse_threads
from kvmarm.errors import UsageError
from tests.bench.recordings import recording_files as files

NAME = "kut-gicv3-active-2vcpu.ftrace.txt"
BOTH = "linux5.10-kut-gicv3-ipi-2vcpu.ftrace.txt"
"""Both vCPUs of this one enter the guest."""


def _refused(path, options: Options | None = None) -> str:
    with pytest.raises(UsageError) as caught, open_recording(str(path), options) as recording:
        for _ in recording.chunks():
            pass
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "empty"),
        (bytes(range(256)) * 64, "binary"),
        (b"hello\nworld\n", "not a recording"),
        (b"seq,cpu,kind,offset\n", "without 'size'"),
        (b"   0.001 ( 0.002 ms): kvm-vcpu-0/322 kvm:kvm_entry(vcpu_pc: 1844)\n", "perf trace"),
        (b"BZh91AY&SY", "bzip2"),
        (b"\x17\x08\x44tracing6\0", "not a complete trace.dat"),
        (b"\x17\x08\x44tracing9\0" + b"\0" * 64, "big-endian or 32-bit"),
        (b"# tracer: nop\n bash-1 [000] ..... 1.000001: sched_switch: x\n", "no kvm_entry"),
    ],
)
def test_no_recording(tmp_path, content: bytes, says: str) -> None:
    (tmp_path / "file").write_bytes(content)
    assert says in _refused(tmp_path / "file")


def test_missing_file_and_folder(tmp_path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        open_recording(str(tmp_path / "none"))
    with pytest.raises(UsageError, match="folder"):
        open_recording(str(tmp_path))


@pytest.mark.parametrize(("suffix", "compress"), [("gz", gzip.compress), ("xz", lzma.compress)])
def test_cut_off_compression(tmp_path, suffix: str, compress) -> None:
    data = compress(files.text(NAME).encode())
    (tmp_path / f"cut.{suffix}").write_bytes(data[: len(data) // 2])
    assert "cut off" in _refused(tmp_path / f"cut.{suffix}")
    (tmp_path / f"bad.{suffix}").write_bytes(data[:2000] + b"junk" * 50 + data[2200:])
    assert "damaged" in _refused_any(tmp_path / f"bad.{suffix}")


def _refused_any(path) -> str:
    with pytest.raises(UsageError) as caught:
        open_recording(str(path))
    return str(caught.value)


@pytest.mark.parametrize("compress", [gzip.compress, lzma.compress])
def test_nothing_compressed_is_empty(tmp_path, compress) -> None:
    (tmp_path / "empty").write_bytes(compress(b""))
    assert "empty once decompressed" in _refused(tmp_path / "empty")


CSV = "kut-gicv2-ipi.csv"


@pytest.mark.parametrize(
    "row",
    ["1,0,line,,,,-5,1,3", "1,0,line,,,,33,7,3", "1,0,line,,,,99999999999999999999999,1,1", "1,0,line,,,,33,1,inf",
     "1,0,line,,,,33,1,nan", "1,0,line,,,,33,1,1e300", "1,-7,dist_read,0x4,4,0x1,,,1", "1,5000,dist_read,0x4,4,0x1,,,1",
     "1,0,dist_read,0x4,1000000000,0x1,,,1", "1,0,dist_read,-4,4,0x1,,,1", "1,0,redist_write,0xfffffffff,4,0x1,,,1",
     "1,0,iar,,,99999999999999999999,,,1", "1,0,eoi,,,-1,,,1", "1,99999999999,iar,,,1,,,1", "x,y,z", "1,0,iar"],
)  # fmt: skip
def test_impossible_rows_are_counted_not_fatal(tmp_path, row: str) -> None:
    lines = files.text(CSV).splitlines()
    lines.insert(100, row)
    (tmp_path / "rows.csv").write_text("\n".join(lines) + "\n")
    with open_recording(str(tmp_path / "rows.csv")) as recording, open_recording(files.path(CSV)) as original:
        assert files.lines_of(recording) == files.lines_of(original)
    assert recording.lines["unknown"] == 1


@pytest.mark.parametrize(
    "line",
    ["memory_region_ops_write cpu 0 mr 0x1 addr 0x8000100 value 0x1 size 2097152 name 'gic_dist'",
     "memory_region_ops_write cpu 99999 mr 0x1 addr 0x8000100 value 0x1 size 4 name 'gic_dist'",
     "memory_region_ops_write cpu 0 mr 0x1 addr 0x8000010 value 0xffffffffffffffffffffff size 4 name 'gic_cpu'",
     "gic_set_irq irq 40 level 7 cpumask 0x1 target 0x1", "gic_set_irq irq 99999999999999999999999 level 1 cpumask 0x1",
     "99999999999999999999@99999999999999999.0:gic_set_irq irq 40 level 1 cpumask 0x1 target 0x1"],
)  # fmt: skip
def test_impossible_lines_of_a_log_are_counted_not_fatal(tmp_path, line: str) -> None:
    name = "kut-gicv2-ipi.qtrace"
    lines = files.text(name).splitlines()
    lines.insert(100, line)
    (tmp_path / "lines.qtrace").write_text("\n".join(lines) + "\n")
    with open_recording(str(tmp_path / "lines.qtrace")) as recording, open_recording(files.path(name)) as original:
        assert files.lines_of(recording) == files.lines_of(original)
    assert recording.lines["unknown"] == 1


def test_columns_may_stand_in_any_order(tmp_path) -> None:
    rows = [line.split(",") for line in files.text(CSV).splitlines()]
    (tmp_path / "other.csv").write_text("\ufeff" + "\r\n".join(", ".join(["note", *row[:0:-1]]) for row in rows))
    with open_recording(str(tmp_path / "other.csv")) as recording, open_recording(files.path(CSV)) as original:
        assert files.lines_of(recording) == files.lines_of(original)


def test_an_empty_window_is_refused(tmp_path) -> None:
    for options in (Options(start=1e6), Options(first=10**9), Options(start=1e6, stop=2e6)):
        assert "no event is in the window" in _refused(files.path(NAME), options)


def test_junk_lines_are_counted_not_fatal(tmp_path) -> None:
    lines = files.text(NAME).splitlines()
    for number in range(50, len(lines), 50):
        lines[number] += "\n<not a line>\n\xff\xfe [x] garbage: [001] kvm_entry"
    (tmp_path / "junk.txt").write_text("\n".join(lines) + "\n", encoding="latin-1")
    with open_recording(str(tmp_path / "junk.txt")) as recording:
        converted = files.lines_of(recording)
    assert recording.lines["unknown"] >= 2 * (len(lines) // 50 - 1)
    with open_recording(files.path(NAME)) as original:
        assert converted == files.lines_of(original)


def test_lost_events_are_counted_and_repaired(tmp_path) -> None:
    lines = files.text(NAME).splitlines()
    exits = [number for number, line in enumerate(lines) if "kvm_exit:" in line]
    lines[exits[10]] = "CPU:1 [LOST 3 EVENTS]"
    lines[exits[20]] = "CPU:0 [LOST EVENTS]"
    (tmp_path / "lost.txt").write_text("\n".join(lines) + "\n")
    with open_recording(str(tmp_path / "lost.txt")) as recording:
        converted = files.lines_of(recording)
        assert recording.placed["repaired"] == 2
    assert recording.lines["lost_markers"] == 2 and recording.lines["lost_events"] == 3
    inside: dict[str, bool] = {}
    for line in converted[1:]:
        kind, *arguments = line.split()
        if kind in ("flush", "sync"):
            assert inside.get(arguments[0], False) == (kind == "sync")
            inside[arguments[0]] = kind == "flush"


def _two_machines(pids_apart: int) -> str:
    """Two machines' lines taken in turn, by time."""
    first = files.text(BOTH).splitlines()
    second = [
        re.sub(r"-(\d+)( +\[)", lambda match: f"-{int(match[1]) + pids_apart}{match[2]}", line)
        for line in first
        if not line.startswith("#")
    ]
    stamp = re.compile(r" (\d+\.\d+): ")
    both = [(float(found[1]), line) for line in [*first, *second] if (found := stamp.search(line))]
    return "\n".join(line for _, line in sorted(both, key=lambda pair: pair[0])) + "\n"


def test_two_machines_must_be_told_apart(tmp_path) -> None:
    (tmp_path / "two.txt").write_text(_two_machines(1000))
    message = _refused(tmp_path / "two.txt")
    assert "2 virtual machines" in message
    chosen = [int(pid) for pid in re.findall(r"--vm (\d+)", message)]
    assert len(chosen) == 2
    with open_recording(files.path(BOTH)) as single:
        expected = files.lines_of(single)
    for pid in chosen:
        with open_recording(str(tmp_path / "two.txt"), Options(vm=pid)) as recording:
            assert files.lines_of(recording) == expected
    assert "no machine" in _refused_any_option(tmp_path / "two.txt", Options(vm=1))


def test_mixed_threads_are_refused(tmp_path) -> None:
    # In the order of PIDs: vCPU 0, 0, 1, 1. Nothing tells which 1 goes with which 0.
    text = _two_machines(1000)
    pids = sorted({int(pid) for pid in re.findall(r"kvm-vcpu-\d-(\d+)", text)})
    order = {pids[0]: 10, pids[2]: 11, pids[1]: 12, pids[3]: 13}
    text = re.sub(r"(kvm-vcpu-\d)-(\d+)", lambda match: f"{match[1]}-{order[int(match[2])]}", text)
    (tmp_path / "mixed.txt").write_text(text)
    assert "mixed" in _refused(tmp_path / "mixed.txt")
    with open_recording(str(tmp_path / "mixed.txt"), Options(vcpu_threads={10: 0, 12: 1})) as recording:
        assert recording.config.vcpus == 2


def _refused_any_option(path, options: Options) -> str:
    with pytest.raises(UsageError) as caught:
        open_recording(str(path), options)
    return str(caught.value)


def test_options_are_checked(tmp_path) -> None:
    for bad in (
        lambda: Options(vmm="xen"),
        lambda: Options(start=2.0, stop=1.0),
        lambda: Options(start=-1.0),
        lambda: Options(first=-1),
        lambda: Options(count=0),
        lambda: Options(start=float("inf")),
        lambda: Options(stop=1e300),
        lambda: Options(lrs=0),
        lambda: Options(irqs=0),
        lambda: Options(gic=0),
        lambda: parse_address("--gic-base", "here"),
        lambda: parse_address("--gic-base", "0x123"),
        lambda: parse_threads(["5"]),
        lambda: parse_threads(["5=0", "6=0"]),
        lambda: parse_threads(["5=0", "5=1"]),
    ):
        with pytest.raises(UsageError, match=r"expected|twice"):
            bad()
    assert parse_address("--gic-base", "0x8000000") == 0x8000000
    assert "--vcpu-thread 4" in _refused_any_option(files.path(NAME), Options(vcpu_threads={4: 0}))


def test_an_overwritten_buffer_is_counted(tmp_path) -> None:
    text = re.sub(r"entries-written: (\d+)/\d+", r"entries-written: \g<1>/9999999", files.text(NAME))
    (tmp_path / "over.txt").write_text(text)
    with open_recording(str(tmp_path / "over.txt")) as recording:
        assert recording.lines["overwritten"] > 9000000
    with open_recording(files.path(NAME)) as recording:
        assert recording.lines["overwritten"] == 0


@pytest.mark.parametrize("content", ["text", "trace.dat"])
def test_no_room_for_temporary_files_is_one_line(tmp_path, content: str) -> None:
    text = "".join(files.text(BOTH).splitlines(keepends=True)[:2000])
    data = text.encode() if content == "text" else files.as_trace_dat(files.text(BOTH))
    (tmp_path / "recording.gz").write_bytes(gzip.compress(data))
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (9000, 9000))\n"
        "from bench.recordings.convert import open_recording\nfrom kvmarm.errors import UsageError\n"
        "try:\n    open_recording(sys.argv[1])\nexcept UsageError as error:\n    print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "recording.gz")],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.startswith("temporary files cannot be written: File too large") and not done.stderr
