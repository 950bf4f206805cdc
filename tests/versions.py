# SPDX-License-Identifier: GPL-2.0-only
"""`python -m tests.versions lowest|newest`: constraints for pip, of everything that pyproject.toml names."""

import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
EXTRAS = ("test",)


def constraints(which: str) -> list[str]:
    """Return one line per dependency: its lowest allowed version for "lowest", any allowed one for "newest"."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *(line for name in EXTRAS for line in project["optional-dependencies"][name])]
    if which == "newest":
        return wanted
    return [line.replace(">=", "==") for line in wanted]


if __name__ == "__main__":
    print("\n".join(constraints(sys.argv[1])))
