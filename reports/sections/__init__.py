# SPDX-License-Identifier: GPL-2.0-only
"""The sections of a report: `section(report) -> Section | None` each, None when the run has nothing for it."""

from dataclasses import dataclass
from typing import Any

from reports import svg
from reports.figures import draw
from reports.html import Markup, tag


@dataclass(frozen=True)
class Section:
    """One section: its id (a permalink), heading, what the navigation calls it, body, and its own style rules."""

    id: str
    heading: str
    short: str
    body: Markup
    styles: str = ""

    def html(self) -> Markup:
        """Return the `<section>`."""
        link = tag("a", "#", class_="permalink", href=f"#{self.id}", aria_label=f"Link to {self.heading}")
        heading = tag("h2", self.heading, " ", link)
        return tag("section", heading, self.body, id=self.id)


def figure(name: str, report: Any, title: str, caption: Any, how: str, linked: bool = False) -> Markup | None:
    """Return the figure called `name` with caption and reading help, None when there is nothing to draw."""
    drawn = draw(name, report)
    if drawn is None:
        return None
    return svg.figure_element(svg.inline(drawn, name, title, how, linked), title, caption, how)


def scroll(table: Any, label: str, tall: bool = False) -> Markup:
    """Return a table in a frame that scrolls sideways when narrow (and inside itself when `tall`)."""
    return tag("div", table, class_="scroll tall" if tall else "scroll", tabindex="0", role="region", aria_label=label)


def head(*cells: Any) -> Markup:
    """Return a table head of one row; a cell is text or a (text, class) pair."""
    made = []
    for cell in cells:
        text, style = cell if isinstance(cell, tuple) else (cell, None)
        made.append(tag("th", text, scope="col", class_=style))
    return tag("thead", tag("tr", made))
