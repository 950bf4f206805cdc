# SPDX-License-Identifier: GPL-2.0-only
"""The key of compiled code: it follows everything that a module imports, in this project and outside of it."""

import subprocess
import sys
from pathlib import Path

import pytest

from kvmarm.design import get_design
from kvmarm.sources import module_hash

FILES = {
    "helper_pkg/__init__.py": "",
    "helper_pkg/deep/__init__.py": "from .level import LEVEL\n",
    "helper_pkg/deep/level.py": "LEVEL = 1\n",
    "unrelated.py": "OTHER = 1\n",
    "mine/__init__.py": "from . import state\n",
    "mine/state.py": "import numpy, json\nfrom helper_pkg.deep import (\n    LEVEL,\n)\n"
    "from .parts import part as own\n",
    "mine/parts/__init__.py": "",
    "mine/parts/part.py": "import mine.far as far, os\n",
    "mine/far.py": "FAR = 1\n",
}


def key(folder: Path) -> str:
    """Return the key of module `mine` as a fresh process that never imported it sees it."""
    code = "import sys\nfrom kvmarm.sources import module_hash\nprint(module_hash('mine'), 'mine' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True)
    found, imported = done.stdout.split()
    assert imported == "False", "reading what a module imports ran it"
    return found


@pytest.mark.parametrize("edited", [name for name in FILES if name != "unrelated.py"])
def test_an_edit_anywhere_below_changes_the_key(tmp_path: Path, edited: str) -> None:
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    before = key(tmp_path)
    assert key(tmp_path) == before
    (tmp_path / "unrelated.py").write_text("OTHER = 2\n")
    assert key(tmp_path) == before
    with (tmp_path / edited).open("a") as file:
        file.write("MORE = 2\n")
    assert key(tmp_path) != before


def test_designs_share_no_key_and_carry_theirs_in_the_record() -> None:
    keys = {name: module_hash(f"vgic_{name}") for name in ("old", "new", "now")}
    assert len(set(keys.values())) == 3
    for name in keys:
        names = get_design(name).dtype.names or ()
        assert names[0] == f"design_{name}"
        assert names[1].startswith("sources_")
