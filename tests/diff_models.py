# SPDX-License-Identifier: GPL-2.0-only
"""`diff -r` of two models with the heads of their files cut: `python -m tests.diff_models vgic_old vgic_new`."""

import ast
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def without_head(text: str) -> str:
    """Return a module's source from the end of its docstring on."""
    head = ast.parse(text).body[0]
    return "\n".join(text.splitlines()[head.end_lineno :]).lstrip("\n") + "\n"


def main() -> int:
    """Print the diff of the two packages named on the command line; return 0."""
    names = sys.argv[1:3]
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            target = Path(folder) / name
            target.mkdir()
            for path in sorted((ROOT / name).glob("*.py")):
                (target / path.name).write_text(without_head(path.read_text()))
        done = subprocess.run(["diff", "-r", "-U", "2", *names], cwd=folder, capture_output=True, text=True)
    sys.stdout.write(done.stdout)
    sys.stderr.write(done.stderr)
    return done.returncode if done.returncode > 1 else 0


if __name__ == "__main__":
    raise SystemExit(main())
