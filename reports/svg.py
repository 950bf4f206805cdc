# SPDX-License-Identifier: GPL-2.0-only
"""Drawing by matplotlib, and turning what it draws into SVG that may be put inside a page.

Rules inside:
- Every colour a figure uses is a role of the theme. A file (`vgic-bench plot`) gets the light values; inside a page
  each becomes a CSS variable of the same name, so that one drawing serves light and dark.
- The page forbids inline styles, so `style="…"` becomes presentation attributes. Nothing of a figure has an `id` but
  what it refers to itself, prefixed with the figure's name.
- Identical input gives identical bytes: no date, a fixed hash salt, coordinates rounded.
"""

import io
import re
import warnings
from typing import Any

from matplotlib import rc_context
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from reports.html import Markup, tag
from reports.theme import LIGHT as PALETTE

_STYLE: Any = {"svg.hashsalt": "vgic-bench", "svg.fonttype": "none"}

BANDS = (0.5, 0.8, 0.98, 1.02, 1.25, 2.0)
BAND_ROLES = ("band-less-3", "band-less-2", "band-less-1", "band-same", "band-more-1", "band-more-2", "band-more-3")


def band_role(ratio: float) -> str:
    """Return the palette role of the band that a ratio falls in."""
    for limit, role in zip(BANDS, BAND_ROLES, strict=False):
        if ratio < limit:
            return role
    return BAND_ROLES[-1]


def band_ink(role: str) -> str:
    """Return the palette role for text that is on a band."""
    return "on-strong" if role in ("band-less-3", "band-more-3") else "on-weak"


def to_svg(figure: Figure) -> str:
    """Return the figure as an SVG document in the light colours, byte-identical for identical input."""
    buffer = io.StringIO()
    with rc_context(_STYLE), warnings.catch_warnings():
        # The reader's fonts draw the text, not the one that it was measured with.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        FigureCanvasSVG(figure).print_svg(buffer, metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    # XML has no way to write other control characters.
    return re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f]", "\N{REPLACEMENT CHARACTER}", buffer.getvalue())


def to_png(figure: Figure, dpi: int = 160) -> bytes:
    """Return the figure as PNG on white."""
    buffer = io.BytesIO()
    with rc_context(_STYLE):
        figure.savefig(buffer, format="png", dpi=dpi, facecolor=PALETTE["surface"], metadata={"Software": None})
    return buffer.getvalue()


def inline(figure: Figure, name: str, title: str, description: str, linked: bool = False) -> Markup:
    """Return the figure as an `<svg>` element for a page.

    `name` prefixes its ids. `title` and `description` are what a screen reader says. `linked`: the figure holds
    links, so it is announced as a group and not as one image.
    """
    svg = to_svg(figure)
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->|<style.*?</style>|<defs>\s*</defs>", "", svg, flags=re.S)
    svg = re.sub(r'\sstyle="([^"]*)"', lambda match: _attributes(match[1]), svg)
    svg = _themed(svg)
    svg = _own_ids(svg, name)
    svg = re.sub(r'\sd="([^"]*)"', lambda match: f' d="{_short_path(match[1])}"', svg)
    # Inside tags only: the same pattern in a label is a figure somebody reads.
    svg = re.sub(r"<[^>]*>", lambda match: re.sub(r"-?\d+\.\d{2,}", lambda n: _rounded(n[0]), match[0]), svg)
    svg = svg.replace("xlink:href", "href").replace(' target="_blank"', "")
    svg = svg.replace(' stroke-linejoin="miter"', "").replace(' text-anchor="start"', "")
    svg = re.sub(r'\stransform="rotate\(-?0 [^)]*\)"', "", svg)
    # A page's parser splits nothing at new lines inside paths; blanks cost bytes only.
    svg = re.sub(r"\s*\n\s*", " ", svg)
    svg = re.sub(r"> <", "><", svg).replace(' "', '"').replace("<defs></defs>", "")
    svg = _joined_links(_without_empty_groups(svg))
    svg = re.sub(r"(?:<text[^>]*>[^<]*</text>){2,}", lambda match: _grouped(match[0]), svg)
    opening = re.match(r"<svg[^>]*>", svg)
    assert opening is not None
    box = re.search(r'viewBox="([^"]*)"', opening[0])
    assert box is not None
    body = svg[opening.end() : svg.rindex("</svg>")]
    width = float(box[1].split()[2])
    label = f"{name}-t {name}-d"
    head = tag("title", title, id=f"{name}-t") + tag("desc", description, id=f"{name}-d")
    role = "group" if linked else "img"
    return Markup(
        f'<svg viewBox="{box[1]}" width="{_rounded(str(width * 4 / 3))}" role="{role}" aria-labelledby="{label}">'
        f"{head}{body}</svg>"
    )


def figure_element(svg: Markup, title: str, caption: Any, how: str) -> Markup:
    """Return a `<figure>` that scrolls sideways when narrow, with its caption and how to read it."""
    frame = tag("div", svg, class_="scroll", tabindex="0", role="region", aria_label=f"Figure: {title}")
    reading = tag("p", tag("b", "How to read it. "), how, class_="how")
    return tag("figure", frame, tag("figcaption", caption, reading))


def _without_empty_groups(svg: str) -> str:
    """Return the SVG without `<g>` elements that have no attribute: they group nothing."""
    parts: list[str] = []
    bare: list[bool] = []
    for piece in re.split(r"(<g>|<g [^>]*>|</g>)", svg):
        if piece.startswith("<g"):
            bare.append(piece == "<g>")
            if bare[-1]:
                continue
        elif piece == "</g>" and bare.pop():
            continue
        parts.append(piece)
    return "".join(parts)


def _joined_links(svg: str) -> str:
    """Return the SVG with neighbouring links to the same place as one: the lines of a label are one stop for a key."""
    joined = re.sub(r'(<a href="[^"]*">)((?:(?!</a>).)*)</a>\1', r"\1\2", svg)
    return svg if joined == svg else _joined_links(joined)


def _grouped(labels: str) -> str:
    """Return neighbouring `<text>`s with what they have in common on a group around them."""
    runs: list[tuple[str, list[str]]] = []
    for look, place, text in re.findall(r"<text([^>]*?)((?: [xy]=[^ >]*)*)>([^<]*)</text>", labels):
        if not runs or runs[-1][0] != look:
            runs.append((look, []))
        runs[-1][1].append(f"<text{place}>{text}</text>")
    return "".join(
        f"<g{look}>{''.join(own)}</g>" if look and len(own) > 1 else "".join(own).replace("<text", f"<text{look}", 1)
        for look, own in runs
    )


def _short_path(path: str) -> str:
    """Return a path of straight lines in relative coordinates of a tenth of a point; others as they are.

    Rounding is done on absolute places, so that errors do not add up.
    """
    tokens = path.split()
    if not set(filter(str.isalpha, tokens)) <= {"M", "L", "z"}:
        return path
    parts = []
    here = start = (0, 0)
    position = 0
    while position < len(tokens):
        command = tokens[position]
        if command == "z":
            parts.append("z")
            here = start
            position += 1
            continue
        place = (round(10 * float(tokens[position + 1])), round(10 * float(tokens[position + 2])))
        dx, dy = place[0] - here[0], place[1] - here[1]
        if command == "M":
            parts.append(f"m{_tenths(dx)} {_tenths(dy)}")
            start = place
        elif dx == 0:
            parts.append(f"v{_tenths(dy)}")
        elif dy == 0:
            parts.append(f"h{_tenths(dx)}")
        else:
            parts.append(f"l{_tenths(dx)} {_tenths(dy)}")
        here = place
        position += 3
    return "".join(parts)


def _tenths(value: int) -> str:
    whole, tenth = divmod(abs(value), 10)
    sign = "-" if value < 0 else ""
    return f"{sign}{whole}" if not tenth else f"{sign}{whole or ''}.{tenth}"


def _rounded(text: str) -> str:
    number = f"{float(text):.1f}"
    number = number.removesuffix(".0")
    return "0" if number == "-0" else number


def _attributes(style: str) -> str:
    parts = []
    for declaration in style.split(";"):
        key, _, value = declaration.partition(":")
        key, value = key.strip(), value.strip()
        if key == "font":
            # The shorthand is no presentation attribute; the page's own family is used.
            size = re.search(r"([\d.]+)px", value)
            if size:
                parts.append(f'font-size="{size[1]}"')
            if re.search(r"\b(bold|[6-9]00)\b", value):
                parts.append('font-weight="bold"')
            if "italic" in value:
                parts.append('font-style="italic"')
        elif key == "font-size":
            parts.append(f'font-size="{value.removesuffix("px")}"')
        elif key and key != "font-family":
            parts.append(f'{key}="{value}"')
    return "".join(f" {part}" for part in parts)


def _themed(svg: str) -> str:
    role_of: dict[str, str] = {value: role for role, value in PALETTE.items()}
    colours = "|".join(role_of)

    def variable(match: re.Match[str]) -> str:
        return f'{match[1]}="var(--{role_of[match[2]]})"'

    return re.sub(rf'\b(fill|stroke)="({colours})"', variable, svg)


def _own_ids(svg: str, name: str) -> str:
    used = set(re.findall(r'(?:url\(#|href="#)([^)"]+)[)"]', svg))
    kept = {identifier for identifier in re.findall(r'\sid="([^"]*)"', svg) if identifier in used}
    svg = re.sub(r'\sid="([^"]*)"', lambda match: f' id="{name}-{match[1]}"' if match[1] in kept else "", svg)
    svg = re.sub(r"url\(#([^)]+)\)", rf"url(#{name}-\1)", svg)
    return re.sub(r'href="#([^"]+)"', lambda m: f'href="#{name}-{m[1]}"' if m[1] in kept else m[0], svg)
