# SPDX-License-Identifier: GPL-2.0-only
"""Reading and placing recordings: known conversions line for line, every printing of the same events alike."""

import gzip
import hashlib
import io
import lzma
import os
import re
import subprocess
import sys
from importlib import resources

import numpy as np
import pytest

from bench.recordings.convert import open_recording
from bench.recordings.options import Options
from bench.recordings.readers import detect
from tests.bench.recordings import recording_files as files

UNPROBED = "kut-gicv3-active-2vcpu.ftrace.txt"
PROBED = "kprobes-linux-ipi-gicv3-2vcpu.excerpt.ftrace.txt"


def _convert(path: str, options: Options | None = None) -> list[str]:
    with open_recording(path, options) as recording:
        return files.lines_of(recording)


def _same_numbers(line: str) -> str:
    return re.sub(r"\b0x([0-9a-f]+)\b", lambda match: str(int(match[1], 16)), line)


@pytest.mark.parametrize("name", ["linux-boot-gicv2-2cpu", "linux-boot-gicv3-4cpu"])
def test_conversion_is_the_reference_line_for_line(name: str) -> None:
    packed = resources.files("bench.workloads").joinpath(f"q-{name}.trace.xz").read_bytes()
    reference = [line for line in lzma.decompress(packed).decode().splitlines() if not line.startswith("#")]
    converted = _convert(files.path(f"{name}.csv"))
    assert len(converted) == len(reference)
    for number, (ours, theirs) in enumerate(zip(converted, reference, strict=True)):
        assert _same_numbers(ours) == _same_numbers(theirs), f"line {number}"


def test_csv_and_log_of_one_run_convert_alike() -> None:
    assert _convert(files.path("kut-gicv2-ipi.csv")) == _convert(files.path("kut-gicv2-ipi.qtrace"))


@pytest.mark.parametrize(
    ("name", "gic", "vcpus", "irqs"),
    [
        (UNPROBED, 3, 2, 64),
        ("linux5.10-kut-gicv3-ipi-2vcpu.ftrace.txt", 3, 2, 64),
        ("kprobes-kut-gicv3-ipi-2vcpu.ftrace.txt", 3, 2, 64),
        ("qemu-kut-gicv3-ipi-2vcpu.ftrace.txt", 3, 2, 288),
        (PROBED, 3, 2, 64),
    ],
)
def test_what_a_recording_is_is_found_out(name: str, gic: int, vcpus: int, irqs: int) -> None:
    with open_recording(files.path(name)) as recording:
        config = recording.config
        assert (config.gic, config.vcpus, config.irqs) == (gic, vcpus, irqs)
        assert recording.kind == detect.FTRACE
        assert recording.lines["unknown"] == recording.lines["malformed"] == 0
        lines = files.lines_of(recording)
        placed = recording.placed
    ops = [line.split()[0] for line in lines[1:]]
    assert ops.count("flush") == ops.count("sync")
    assert placed["entries"] == files.text(name).count("kvm_entry:")
    assert placed["repaired"] == 0


def test_every_printing_of_the_same_events_converts_alike(tmp_path) -> None:
    original = files.text(UNPROBED)
    expected = _convert(files.path(UNPROBED))
    forms = {
        "four-flags.txt": re.sub(r"(\[\d+\] \S{4})\S ", r"\1 ", original),
        "report.txt": files.as_report(original),
        "no-plugins.txt": re.sub(
            r"PC: (\w+) \S+ \((\d+),(\d+),(\d+),(\d+),(\d+)\) (write|read)",
            r"[FAILED TO PARSE] vcpu_pc=0x\1 is_write=1 name=0xff Op0=\2 Op1=\3 CRn=\4 CRm=\5 Op2=\6",
            files.as_report(original),
        ),
        "tgid.txt": re.sub(r"-(\d+)( +)\[", r"-\1\2(    152) [", original),
        "nanoseconds.txt": re.sub(r"(\.\d{6}): ", r"\g<1>000: ", original),
        "no-newline-at-end.txt": original.rstrip("\n"),
    }
    for name, content in forms.items():
        (tmp_path / name).write_text(content)
        assert _convert(str(tmp_path / name)) == expected, name
    (tmp_path / "trace.dat").write_bytes(files.as_trace_dat(original))
    with open_recording(str(tmp_path / "trace.dat")) as recording:
        assert recording.kind == detect.TRACE_DAT
        assert files.lines_of(recording) == expected
    for compression in ("none", "zlib", "zstd"):
        (tmp_path / "trace7.dat").write_bytes(files.as_trace_dat_7(original, compression))
        assert _convert(str(tmp_path / "trace7.dat")) == expected, compression
    (tmp_path / "trace.dat.gz").write_bytes(gzip.compress(files.as_trace_dat(original, 8192)))
    assert _convert(str(tmp_path / "trace.dat.gz")) == expected


@pytest.mark.parametrize(
    "naming", ["CPU {}/KVM", "fc_vcpu {}", "vcpu{}", "crosvm_vcpu{}", "VMM: vCPU-{}", "qemu-system-aar"]
)
def test_thread_naming(tmp_path, naming: str) -> None:
    text = re.sub(r"kvm-vcpu-(\d)-", lambda match: naming.format(match[1]) + "-", files.text(UNPROBED))
    (tmp_path / "renamed.txt").write_text(text)
    assert _convert(str(tmp_path / "renamed.txt")) == _convert(files.path(UNPROBED))


def test_compressions_and_standard_input(tmp_path, monkeypatch) -> None:
    content = files.text(UNPROBED).encode()
    expected = _convert(files.path(UNPROBED))
    (tmp_path / "plain").write_bytes(content)
    (tmp_path / "two.gz").write_bytes(gzip.compress(content[:5000]) + gzip.compress(content[5000:]))
    import pyarrow

    sink = pyarrow.BufferOutputStream()
    with pyarrow.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(content)
    (tmp_path / "small.zst").write_bytes(sink.getvalue().to_pybytes())
    for name in ("plain", "two.gz", "small.zst"):
        assert _convert(str(tmp_path / name)) == expected, name
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(gzip.compress(content))))
    assert _convert("-") == expected


def test_acknowledgements_follow_from_list_registers() -> None:
    with open_recording(files.path(PROBED)) as recording:
        lines = files.lines_of(recording)
        placed = recording.placed
    assert recording.source is not None and recording.source.probed
    body = [line.split() for line in lines[1 : recording.epilogue]]
    acks = sum(line[0] == "ack" for line in body)
    assert acks == placed["acks_from_lrs"] > 100
    assert placed["acks_from_lrs"] - placed["eois_from_lrs"] in (0, 1, 2)
    assert placed["acks_assumed"] == placed["sgi_guessed"] == 0
    # A taken timer interrupt lowers its line before the vCPU's next sync.
    assert placed["timer_falls"] > 100


def test_a_window_keeps_the_set_up(tmp_path) -> None:
    whole = _convert(files.path(PROBED))
    part = _convert(files.path(PROBED), Options(first=6000, count=3000))
    assert len(part) < len(whole) / 2
    writes = [line.split(maxsplit=2)[2] for line in whole if line.startswith("mmio_w")]
    kept = [line.split(maxsplit=2)[2] for line in part if line.startswith("mmio_w")]
    assert kept[: len(writes)] == writes[: len(kept)]
    timed = _convert(files.path(PROBED), Options(start=0.5, stop=0.9))
    assert len(timed) < len(whole)


def test_a_recording_from_the_middle_gets_its_interrupts_enabled(tmp_path) -> None:
    # Without the guest's set-up the distributor would be off, and nothing would ever be delivered.
    lines = files.text(PROBED).splitlines()
    last = max(number for number, line in enumerate(lines) if "gpa 0x3ff" in line)
    (tmp_path / "middle.txt").write_text("\n".join(lines[last + 1 :]) + "\n")
    with open_recording(str(tmp_path / "middle.txt")) as recording:
        converted = files.lines_of(recording)
        assert recording.config.gic == 3
        assert recording.placed["set_up"] > 10
    assert "mmio_w 0 d 0x0 4 0x12" in converted


def test_four_vcpus(tmp_path) -> None:
    # The second machine's threads renumbered: one VM of four vCPUs.
    text = files.text(UNPROBED)
    second = re.sub(r"kvm-vcpu-(\d)-(\d+)", lambda m: f"kvm-vcpu-{int(m[1]) + 2}-{int(m[2]) + 2}", text)
    second = re.sub(r"VCPU: (\d)", lambda m: f"VCPU: {int(m[1]) + 2}", second)
    (tmp_path / "four.txt").write_text(text + second)
    options = Options(redist_base=0x3FFB0000)
    with open_recording(str(tmp_path / "four.txt"), options) as recording:
        assert recording.config.vcpus == 4
        kinds = {line.split()[1] for line in files.lines_of(recording) if line.startswith("flush")}
    assert kinds == {"0", "1", "2", "3"}


def test_memory_does_not_grow_with_the_recording(tmp_path) -> None:
    import tracemalloc

    text = files.text(UNPROBED)

    def peak(copies: int) -> int:
        file = tmp_path / f"long{copies}.txt"
        file.write_text(text * copies)
        tracemalloc.start()
        with open_recording(str(file)) as recording:
            for chunk in recording.chunks():
                assert len(chunk.ops) <= 1 << 16
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(1)
    assert peak(80) < peak(40) * 1.2 + (1 << 20)


def test_counts_add_up() -> None:
    with open_recording(files.path("linux-boot-gicv3-4cpu.csv")) as recording:
        total = sum(len(chunk.ops) for chunk in recording.chunks())
        counts = recording.not_converted
        events = recording.lines["events"]
    assert events + sum(counts.values()) + 1 == recording.lines["lines"]
    assert total == recording.epilogue - 1 + recording.placed["epilogue"]
    assert counts["its_read"] == 62


def test_numbers_are_64_bits() -> None:
    with open_recording(files.path("linux-boot-gicv3-4cpu.csv")) as recording:
        ops = np.concatenate([np.array(chunk.ops) for chunk in recording.chunks()])
    assert ops["value"].max() > 1 << 24


def test_plain_python_converts_alike() -> None:
    code = (
        "import hashlib, sys; from bench.recordings.convert import open_recording; "
        "from tests.bench.recordings import recording_files as files\n"
        "for path in sys.argv[1:]:\n"
        "    with open_recording(path) as recording:\n"
        "        print(hashlib.sha256(repr(files.lines_of(recording)).encode()).hexdigest())"
    )
    paths = [files.path(UNPROBED), files.path("kut-gicv2-ipi.csv")]
    done = subprocess.run(
        [sys.executable, "-c", code, *paths],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    expected = [hashlib.sha256(repr(_convert(path)).encode()).hexdigest() for path in paths]
    assert done.stdout.split() == expected
