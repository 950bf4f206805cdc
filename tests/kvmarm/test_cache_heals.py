# SPDX-License-Identifier: GPL-2.0-only
"""Whatever happens to the cache of compiled code: the right result, one warning at most, and whole files again."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from kvmarm import code_cache
from kvmarm.checked_cache import CheckedFile
from tests.cli import ROOT

WORK = """
import numpy as np
from bench.meters.yardstick import _LOCK, _lock_pairs
record = np.zeros(1, _LOCK).view(np.recarray)[0]
_lock_pairs(record, 3)
hits = getattr(_lock_pairs, "cache_hits", None)
if hits is None:  # a numba without what kvmarm.nested needs
    hits = sum(_lock_pairs.stats.cache_hits.values())
print(f"lock {record.lock}, {hits} from the cache")
"""


def work(cache: Path, code: str = WORK, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run compiled code in a process of its own that keeps it in `cache`."""
    names = {name: value for name, value in os.environ.items() if name != "NUMBA_DISABLE_JIT"}
    variables = {**names, "VGIC_BENCH_CACHE": str(cache), **environment}
    return subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=variables, capture_output=True, text=True, timeout=300, check=False
    )


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def as_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "x").touch()


def as_link(path: Path, target: str) -> None:
    path.unlink()
    path.symlink_to(target)


def as_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


DAMAGE: dict[str, Callable[[Path], object]] = {
    "emptied": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-20]),
    "a bit flipped": flip,
    "foreign": lambda path: path.write_bytes(b"\x80\x04}." * 100),
    "of zeros": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "missing": lambda path: path.unlink(),
    "a folder": as_folder,
    "a link to nowhere": lambda path: as_link(path, "/nowhere/x"),
    "a link to a device": lambda path: as_link(path, "/dev/zero"),
    "a pipe": as_pipe,
}


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a cache folder that holds compiled code."""
    cache = tmp_path_factory.mktemp("cache") / "c"
    assert work(cache).stdout == "lock 0, 0 from the cache\n"
    assert work(cache).stdout == "lock 0, 1 from the cache\n"
    return cache


@pytest.mark.parametrize("ending", [".nbi", ".nbc"])
@pytest.mark.parametrize("how", DAMAGE)
def test_a_damaged_file_is_as_good_as_missing(how: str, ending: str, tmp_path: Path) -> None:
    CheckedFile(str(tmp_path), "f", "stamp").save("key", {"a": list(range(100))})
    (path,) = tmp_path.glob(f"*{ending}")
    DAMAGE[how](path)
    file = CheckedFile(str(tmp_path), "f", "stamp")
    assert file.load("key") is None
    file.save("key", {"b": 2})
    assert file.load("key") == {"b": 2}
    assert CheckedFile(str(tmp_path), "f", "newer").load("key") is None


@pytest.mark.slow
def test_compiled_code_that_was_damaged_is_compiled_again(filled: Path, tmp_path: Path) -> None:
    cache = tmp_path / "c"
    shutil.copytree(filled, cache)
    for ending, how in ((".nbc", flip), (".nbi", as_folder)):
        for path in sorted(cache.rglob(f"*{ending}")):
            how(path)
        done = work(cache)
        assert (done.returncode, done.stdout, done.stderr) == (0, "lock 0, 0 from the cache\n", "")
    assert work(cache).stdout == "lock 0, 1 from the cache\n"


@pytest.mark.slow
@pytest.mark.parametrize("which", ["root", "environment"])
def test_a_folder_that_others_can_write_is_not_used(which: str, filled: Path, tmp_path: Path) -> None:
    cache = tmp_path / "c"
    shutil.copytree(filled, cache)
    folder = cache if which == "root" else next(cache.iterdir())
    folder.chmod(0o777)
    done = work(cache, TMPDIR=str(tmp_path))
    assert done.stdout == "lock 0, 0 from the cache\n"
    assert done.stderr.count("Warning") == (1 if which == "root" else 0), done.stderr


@pytest.mark.slow
def test_a_full_disk_means_uncached_and_one_warning(tmp_path: Path) -> None:
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\n"
    done = work(tmp_path / "c", limit + WORK)
    assert (done.returncode, done.stdout) == (0, "lock 0, 0 from the cache\n")
    assert done.stderr.count("CacheWarning") == 1, done.stderr
    assert not list(tmp_path.rglob("*.nb*"))


@pytest.mark.slow
def test_where_the_cache_cannot_be_it_is_in_the_temporary_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = work(tmp_path / "file" / "below", TMPDIR=str(tmp_path))
    assert (done.returncode, done.stdout, done.stderr) == (0, "lock 0, 0 from the cache\n", "")
    assert list(tmp_path.glob("vgic-bench-*/**/*.nbc"))


def test_who_may_write_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "f"
    folder.mkdir(mode=0o700)
    assert code_cache.doubt_of(folder) == ""
    folder.chmod(0o770)
    assert code_cache.doubt_of(folder) == "can be written by others"
    if os.geteuid() == 0:
        folder.chmod(0o700)
        os.chown(folder, 12345, -1)
        assert code_cache.doubt_of(folder) == "belongs to another user"


@pytest.mark.parametrize("squat", ["open", "link", "file"])
def test_a_squatted_temporary_folder_is_left_alone(squat: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(code_cache.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(code_cache.tempfile, "tempdir", str(tmp_path))
    own = tmp_path / f"vgic-bench-{os.geteuid()}"
    if squat == "open":
        own.mkdir()
        own.chmod(0o777)
    elif squat == "link":
        (tmp_path / "elsewhere").mkdir()
        own.symlink_to(tmp_path / "elsewhere")
    else:
        own.touch()
    made = code_cache._of_this_user()
    assert made != own and code_cache.doubt_of(made) == ""
