# SPDX-License-Identifier: GPL-2.0-only
"""Tables at a narrow terminal: text is folded, a figure never."""

import re

import pytest

from vgic_bench.console import print_table


class Terminal:
    """Standard output that says it is a terminal."""

    def __init__(self) -> None:
        self.text = ""

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self.text += text
        return len(text)

    def flush(self) -> None:
        """Nothing is kept back."""


@pytest.mark.parametrize("figures", [2, 6])
def test_figures_stay_whole(figures: int, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("TERM", "xterm")
    row = ["an interrupt that is pending everywhere", *(f"{1_234_567 * k:,}" for k in range(1, figures + 1))]
    print_table(["transition", *(f">design {k}" for k in range(figures))], [row])
    lines = re.sub(r"\x1b\[[0-9;]*m", "", terminal.text).splitlines()
    assert any(all(figure in line for figure in row[1:]) for line in lines), terminal.text
    assert figures > 2 or max(map(len, lines)) <= 40
    folded = "".join(line.split("  ")[0].strip() for line in lines)
    assert row[0].replace(" ", "") in folded.replace(" ", "")
