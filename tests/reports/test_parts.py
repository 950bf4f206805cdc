# SPDX-License-Identifier: GPL-2.0-only
"""HTML building, numbers, and drawings turned into SVG for a page."""

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from bench.catalogue import catalogue
from reports import matrix, numbers, scaling, svg, theme
from reports.data import Report
from reports.drawing import Panel, Sheet, Side, log_steps, round_steps
from reports.figures import heatmap
from reports.html import Markup, breakable, slug, tag


def test_text_is_escaped_and_markup_is_not() -> None:
    assert tag("td", "a < b & c", Markup("<b>x</b>")) == "<td>a &lt; b &amp; c<b>x</b></td>"
    assert tag("a", "x", href='"><script>') == '<a href="&quot;&gt;&lt;script&gt;">x</a>'
    assert tag("p", "bell\x07") == "<p>bell\N{REPLACEMENT CHARACTER}</p>"
    assert breakable("a_<b>") == "a_<wbr>&lt;b&gt;"


def test_attributes() -> None:
    assert tag("input", type="radio", checked=True, hidden=False, id=None) == '<input type="radio" checked>'
    assert tag("p", class_="x", aria_label="y") == '<p class="x" aria-label="y"></p>'


def test_slugs_are_plain_and_never_empty() -> None:
    assert slug("t", "Mmio write", 2) == "t-mmio-write-2"
    assert slug("<é>") != slug("<è>") != ""
    assert re.fullmatch(r"[a-z0-9-]+", slug("e", "日本", '"><script>'))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"), (7, "7"), (1234.4, "1,234"), (12.345, "12.3"), (0.01234, "0.0123"), (-3.5, "−3.5"),
        (float("nan"), "–"), (None, "–"), (99.96, "100"), (1e12, "1,000,000,000,000"),
    ],
)  # fmt: skip
def test_shown(value: float | None, text: str) -> None:
    assert numbers.shown(value) == text


def test_glyphs_follow_the_ratio() -> None:
    assert [numbers.glyph(ratio) for ratio in (0.5, 0.979, 0.981, 1.019, 1.021, 9, float("nan"))] == list("▼▼≈≈▲▲·")


def test_geometric_mean() -> None:
    assert numbers.geometric_mean([1, 100]) == pytest.approx(10)
    assert numbers.geometric_mean([2, float("nan"), 0, 8]) == pytest.approx(4)
    assert not numbers.is_number(numbers.geometric_mean([]))


def test_percent() -> None:
    assert [numbers.percent(share) for share in (0, 0.5, 0.012, 0.0004)] == ["0 %", "50 %", "1.2 %", "0.04 %"]


def _drawing() -> svg.Figure:
    sheet = Sheet(3, 2)
    panel = Panel(0.4, 0.3, 2.4, 1.2, (1, 2), (1, 0))
    panel.grid(sheet, [1, 1.5, 2], title="a <b>")
    sheet.lines([[(panel.across(1), panel.down(0.25)), (panel.across(2), panel.down(0.75))]], "reference", 1.8, (5, 2))
    sheet.boxes([(1, 1, 0.5, 0.4)], "part-2", hatch="//")
    sheet.words([(1.5, 0.5, "0.1234"), (1.5, 0.8, "two\nlines")], 8, url="#t-row")
    return sheet.figure


def test_inline_svg_has_no_style_no_foreign_id_and_only_theme_colours() -> None:
    made = svg.inline(_drawing(), "name", "A title", "A description")
    ElementTree.fromstring(made)
    assert "style=" not in made and "<style" not in made and "<image" not in made and "xlink" not in made
    assert all(name.startswith("name-") for name in re.findall(r'\sid="([^"]*)"', made))
    assert not re.search(r'="#[0-9a-fA-F]{3,6}"', made), "a colour that dark mode cannot change"
    used = set(re.findall(r"var\(--([a-z0-9-]+)\)", made))
    assert "reference" in used and used <= set(theme.LIGHT)
    assert 'href="#t-row"' in made and "_blank" not in made
    assert ">0.1234<" in made, "a figure in a label must not be rounded with the coordinates"
    assert "<title" in made and "A description" in made


def test_references_inside_an_inline_svg_lead_somewhere() -> None:
    made = svg.inline(_drawing(), "name", "A title", "A description")
    ids = set(re.findall(r'\sid="([^"]*)"', made))
    wanted = set(re.findall(r"url\(#([^)]+)\)", made)) | set(re.findall(r'<use href="#([^"]+)"', made))
    assert wanted and wanted <= ids


def test_steps_are_round_and_inside() -> None:
    assert round_steps(0, 15_100) == [0, 5000, 10_000, 15_000]
    assert round_steps(0, 0.7, 4) == pytest.approx([0, 0.2, 0.4, 0.6])
    assert round_steps(3, 3) == [3]
    assert log_steps(0.4, 30) == pytest.approx([0.5, 1, 2, 5, 10, 20])
    assert log_steps(0.01, 20_000) == pytest.approx([10.0**power for power in range(-2, 5)])


def test_a_panel_places_values() -> None:
    panel = Panel(1, 2, 4, 3, (10, 1000), (100, 0), logarithmic=True)
    assert (panel.right, panel.bottom) == (5, 5)
    assert [panel.across(value) for value in (10, 100, 1000)] == pytest.approx([1, 3, 5])
    assert [panel.down(value) for value in (100, 50, 0)] == pytest.approx([2, 3.5, 5])


def test_words_stand_where_they_are_put() -> None:
    """In an SVG the anchor is the place itself; the line's base is below its middle."""
    sheet = Sheet(4, 2)
    sides: tuple[Side, ...] = ("left", "center", "right")
    for across in sides:
        sheet.words([(1, 1, across)], 10, across=across)
    made = svg.inline(sheet.figure, "name", "A title", "A description")
    texts = re.findall(r"<text([^>]*)>(\w+)</text>", made)
    assert [text for _, text in texts] == ["left", "center", "right"]
    for given, text in texts:
        x, y = (float(re.search(rf'\b{name}="([\d.]+)"', given)[1]) for name in "xy")  # type: ignore[index]  # no match fails the test
        assert x == 72 and 72 < y < 77
        assert re.findall(r'text-anchor="(\w+)"', given) == {"left": [], "center": ["middle"], "right": ["end"]}[text]


def test_labels_of_one_look_share_a_group_and_lines_of_a_link_are_one_link() -> None:
    sheet = Sheet(4, 2)
    sheet.words([(1, 1, "one"), (2, 1, "two")], 10, "muted")
    sheet.words([(1, 2, "three")], 7, "muted")
    sheet.words([(1, 1.5, "four\nfive")], 10, "muted", url="#x")
    made = svg.inline(sheet.figure, "name", "A title", "A description")
    assert re.sub(r' [xy]="[^"]*"', "", made[made.index("</desc>") + 7 :]) == (
        '<g font-size="10" fill="var(--muted)"><text>one</text><text>two</text></g>'
        '<text font-size="7" fill="var(--muted)">three</text>'
        '<a href="#x"><g font-size="10" fill="var(--muted)"><text>four</text><text>five</text></g></a></svg>'
    )


def test_drawings_are_identical_bytes() -> None:
    assert svg.to_svg(_drawing()) == svg.to_svg(_drawing())
    assert svg.to_png(_drawing()) == svg.to_png(_drawing())


def test_short_paths_keep_their_corners() -> None:
    made = svg._short_path("M 0.04 0 L 10.55 0 L 10.55 3.333333 L 4 4.1 z M 7 7 L 8 8")
    assert made == "m0 0h10.5v3.3l-6.5 .8zm7 7l1 1" or made == "m0 0h10.6v3.3l-6.6 .8zm7 7l1 1"
    curve = "M 0 0 C 1 1 2 2 3 3"
    assert svg._short_path(curve) == curve


def test_themes_have_the_same_roles_and_no_colour_twice() -> None:
    assert set(theme.LIGHT) == set(theme.DARK)
    assert len(set(theme.LIGHT.values())) == len(theme.LIGHT), "a role is found again by its light colour"
    assert set(theme.PAGE_LIGHT) == set(theme.PAGE_DARK)


def _luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(a: str, b: str) -> float:
    light, dark = sorted((_luminance(a), _luminance(b)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("colours", [theme.LIGHT, theme.DARK])
def test_text_is_legible_on_what_it_stands_on(colours: dict[str, str]) -> None:
    for role in ("ink", "muted", "reference", "candidate"):
        assert _contrast(colours[role], colours["surface"]) >= 4.5, role
    for band in svg.BAND_ROLES:
        assert _contrast(colours[svg.band_ink(band)], colours[band]) >= 4.0, band


def test_bands() -> None:
    assert (
        svg.band_role(0.1) == "band-less-3" and svg.band_role(1.0) == "band-same" and svg.band_role(5) == "band-more-3"
    )


def test_the_catalogue_is_read_as_the_catalogue_reads_itself() -> None:
    assert matrix.CATALOGUE == catalogue.BUILT_IN
    assert matrix.after_states() == {name: dict(entry.after) for name, entry in catalogue.load_catalogue().items()}


def test_cells_of_a_map_are_means_over_the_same_scenarios() -> None:
    """A scenario that one cell lacks must not make it differ from its neighbour."""
    both, right_only = {(1, 1): 0.5, (2, 1): 0.5}, {(2, 1): 8.0}
    assert heatmap._comparable([both, right_only]) == {(1, 1): [0.5], (2, 1): [0.5]}
    assert heatmap._comparable([{(1, 1): 2.0}, right_only]) == {(1, 1): [2.0], (2, 1): [8.0]}


def test_the_curves_drawn_are_not_all_of_one_group(sweep_folder: Path) -> None:
    report = Report(sweep_folder)
    drawn = scaling.telling(report, scaling.curves(report, "instructions"))
    along = [curve for curve in drawn if curve.dimension == "vcpus"]
    assert len(along) == scaling.PER_DIMENSION
    groups = [report.group(curve.transition) for curve in along]
    assert max(map(groups.count, groups)) == scaling.PER_GROUP and len(set(groups)) > 1
    assert len({curve.transition for curve in along}) == len(along)
