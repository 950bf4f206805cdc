# SPDX-License-Identifier: GPL-2.0-only
"""A folder to begin a design in: a package with its entry point, what it is known not to do yet, a test, a workflow."""

import keyword
import re
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

from kvmarm.design import design_names
from kvmarm.errors import UsageError
from kvmarm.files import atomic_write

_NAME = re.compile(r"[a-z][a-z0-9_]*")
TEMPLATES = {
    "pyproject.txt": "pyproject.toml",
    "readme.txt": "README.md",
    "package.txt": "{name}/__init__.py",
    "check.txt": "{name}/check.toml",
    "test.txt": "tests/test_{name}.py",
    "workflow.txt": ".github/workflows/check.yml",
}
"""Template in bench/data/new_design -> file in the new folder. `NAME` in a template is the design's name."""


def new_design(name: str, parent: Path) -> list[Path]:
    """Make the folder `name` in `parent` and return its files. Raises UsageError; then nothing was written."""
    if not _NAME.fullmatch(name) or keyword.iskeyword(name):
        raise UsageError(f"{name!r}: expected a name of lower-case letters, digits and _, such as mine")
    if name in design_names():
        raise UsageError(f"{name!r}: there is a design of this name already")
    if find_spec(name) is not None:
        raise UsageError(f"{name!r}: there is a Python module of this name already, which the package would hide")
    folder = parent / name
    if folder.exists():
        raise UsageError(f"{folder}: exists already")
    source = files("bench") / "data" / "new_design"
    texts = {TEMPLATES[template].format(name=name): (source / template).read_text("utf-8") for template in TEMPLATES}
    written = []
    for place, text in texts.items():
        path = folder / place
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"{path.parent}: cannot be made: {error.strerror}") from error
        with atomic_write(path, "w") as file:
            file.write(text.replace("NAME", name))
        written.append(path)
    return written
