# SPDX-License-Identifier: GPL-2.0-only
"""A page as a reader of the file sees it: tables as rows of text, by the section they stand in."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

IMPLIED = {"td": ("td", "th"), "th": ("td", "th"), "tr": ("td", "th", "tr"), "p": ("p",), "li": ("li",)}


@dataclass
class Table:
    """One table: the section's id, the table's id, the id of the nearest element with one, head and body cells."""

    section: str
    identifier: str
    inside: str
    head: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    row_ids: list[str] = field(default_factory=list)


class Page(HTMLParser):
    """A parsed page: `tables`, `ids`, `links` (href), `tags` (name, attributes), `text` of all but script and style."""

    def __init__(self, path: Path) -> None:
        super().__init__(convert_charrefs=True)
        self.tables: list[Table] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self._section = self._nearest = ""
        self._table: Table | None = None
        self._cell: list[str] | None = None
        self._in_head = self._silent = False
        self.source = path.read_text("utf-8")
        self.feed(self.source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.tags.append((tag, given))
        if "id" in given:
            self.ids.append(given["id"])
            if tag not in ("table", "tr", "input"):
                self._nearest = given["id"]
        if tag == "section":
            self._section = given["id"]
        elif tag == "a" and "href" in given:
            self.links.append(given["href"])
        elif tag == "table":
            self._table = Table(self._section, given.get("id", ""), self._nearest)
            self.tables.append(self._table)
        elif tag == "thead":
            self._in_head = True
        elif tag == "tbody":
            self._flush()
            self._in_head = False
        elif tag == "tr" and self._table is not None:
            self._flush()
            if not self._in_head:
                self._table.rows.append([])
                self._table.row_ids.append(given.get("id", ""))
        elif tag in ("td", "th") and self._table is not None:
            self._flush()
            self._cell = []
        self._silent = tag in ("script", "style")

    def handle_endtag(self, tag: str) -> None:
        self._silent = False
        if tag in ("td", "th", "tr", "thead", "table"):
            self._flush()
        if tag == "thead":
            self._in_head = False
        if tag == "table":
            self._table = None

    def handle_data(self, data: str) -> None:
        if self._silent:
            return
        self.text += data
        if self._cell is not None:
            self._cell.append(data)

    def _flush(self) -> None:
        if self._cell is None or self._table is None:
            return
        words = "".join(self._cell).strip()
        (self._table.head if self._in_head else self._table.rows[-1]).append(words)
        self._cell = None


def value(cell: str) -> float | None:
    """Return the number a cell shows; None when it shows none."""
    text = cell.strip().rstrip("×▼▲≈· ").replace(",", "").replace("−", "-")
    try:
        return float(text)
    except ValueError:
        return None
