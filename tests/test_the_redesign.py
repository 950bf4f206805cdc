# SPDX-License-Identifier: GPL-2.0-only
"""docs/the-redesign.md has a paragraph for each file and function that only one of the two VGICs has, and no other."""

import re
import subprocess
import sys
from pathlib import Path

from tests.test_exported_members import OWN_FILES, OWN_FUNCTIONS, modules

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "docs" / "the-redesign.md").read_text()


def paragraphs() -> dict[str, str]:
    """Return what is said under each heading that names a file or a function."""
    parts = re.split(r"^### `([\w/.]+)`$", TEXT, flags=re.MULTILINE)
    texts = [re.split(r"^## ", text, flags=re.MULTILINE)[0].strip() for text in parts[2::2]]
    return dict(zip(parts[1::2], texts, strict=True))


def test_each_own_file_and_function_has_its_paragraph() -> None:
    files = [f"{package}/{name}" for package, names in OWN_FILES.items() for name in names]
    functions = [
        f"{package}/{file}.{name}"
        for package, own in OWN_FUNCTIONS.items()
        for file, names in own.items()
        for name in names
    ]
    said = paragraphs()
    assert sorted(said) == sorted([*files, *functions])
    assert [name for name, text in said.items() if len(text.split()) < 4] == []


def test_each_common_file_is_in_the_table() -> None:
    common = modules("vgic_old").keys() & modules("vgic_new").keys() - {"__init__"}
    rows = re.findall(r"^\| (`.*?) \|", TEXT, flags=re.MULTILINE)
    assert sorted(name for row in rows for name in re.findall(r"`(\w+)`", row)) == sorted(common)


def test_the_diff_shows_the_two_folders_without_their_heads() -> None:
    command = [sys.executable, "-m", "tests.diff_models", "vgic_old", "vgic_new"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0 and not done.stderr
    lines = done.stdout.splitlines()
    assert "Only in vgic_old: update.py" in lines and "Only in vgic_new: queue.py" in lines
    assert any(line.startswith("diff ") and line.endswith("inject.py") for line in lines)
    assert not any("Lock order:" in line or "SPDX" in line for line in lines)
