"""Typographic book covers as SVG, drawn from title, author and genre: no image is fetched, and a cover never changes."""

from __future__ import annotations

import hashlib
import textwrap
from html import escape

from star.data.catalog import Item
from star.display import clean

WIDTH, HEIGHT = 200, 300
SERIF = "Charter, 'Iowan Old Style', Georgia, 'Liberation Serif', serif"

# Paper, ink, ornament. The contrast of ink on paper is at least 4.5 : 1 in each.
PALETTES = (
    ("#14213d", "#f4f1e8", "#fca311"),
    ("#f2e8cf", "#23301c", "#6a994e"),
    ("#3d1f2b", "#f9ece4", "#d98f8f"),
    ("#e9ecef", "#1b263b", "#5c7ea3"),
    ("#0b3c49", "#f5f3e7", "#e0a458"),
    ("#f6d6ad", "#3a2618", "#bc5f3c"),
    ("#26203b", "#efeaf8", "#9b87d6"),
    ("#dfe7e1", "#17332b", "#3f8f75"),
    ("#5a1a1a", "#fbeee0", "#e8b36b"),
    ("#fbf4e4", "#2b2b2b", "#c2402f"),
)


def _seed(item: Item) -> bytes:
    return hashlib.sha256("\x1f".join((item.title, *item.creators)).encode()).digest()


def _palette(item: Item, seed: bytes) -> tuple[str, str, str]:
    """Books of one genre share three palettes, so their covers look related but not uniform."""
    genre = hashlib.sha256((item.genres[0] if item.genres else item.title).encode()).digest()[0]
    return PALETTES[(genre + 3 * (seed[0] % 3)) % len(PALETTES)]


def _ornament(seed: bytes, ink: str) -> str:
    """One of six plain figures in the lower half; `seed` chooses the figure and its sizes."""
    a, b, c = seed[1], seed[2], seed[3]
    line, fill = f'fill="none" stroke="{ink}"', f'fill="{ink}"'
    match a % 6:
        case 0:
            x, r = 60 + b % 80, 34 + c % 26
            return (
                f'<circle cx="{x}" cy="208" r="{r}" fill="{ink}"/>'
                f'<circle cx="{x + 22}" cy="196" r="{r // 2}" {line} stroke-width="2"/>'
            )
        case 1:
            gap, step = 9 + b % 6, 8 + c % 10
            return "".join(
                f'<rect x="16" y="{158 + n * gap}" width="{168 - n * step}" height="{2 + n % 3}" {fill}/>'
                for n in range(9)
            )
        case 2:
            return "".join(
                f'<circle cx="{70 + b % 60}" cy="256" r="{18 + n * 16}" {line} stroke-width="{1 + c % 3}"/>'
                for n in range(6)
            )
        case 3:
            return "".join(
                f'<rect x="{24 + x * 26}" y="{162 + y * 26}" width="14" height="14" fill="{ink}" '
                f'opacity="{1.0 if b >> ((x + y * 2) % 8) & 1 else 0.3}"/>'
                for x in range(6)
                for y in range(4)
            )
        case 4:
            peak = 50 + b % 100
            return (
                f'<path d="M0 262 L{peak} {156 + c % 30} L200 262 Z" fill="{ink}"/>'
                f'<path d="M0 262 L{200 - peak} 206 L200 262 Z" fill="{ink}" opacity=".5"/>'
            )
        case _:
            return "".join(
                f'<path d="M{n * 30 - 20} 262 q{30 + b % 30} {-60 - c % 30} {60 + b % 20} -104" '
                f'{line} stroke-width="{2 + n % 3}"/>'
                for n in range(6)
            )


def _ems(line: str) -> float:
    """Upper bound on a line's width, in font sizes, from four classes of letters of a broad bold serif."""
    return sum(
        1.1
        if letter in "mwMW@—"
        else 0.47
        if letter in " fijlrtI.,;:'!|()"
        else 0.83
        if letter.isupper()
        else 0.71
        for letter in line
    )


def _lines(title: str) -> tuple[list[str], int]:
    """The title broken into at most six lines, and the font size at which the longest line fits."""
    main = title.split(":")[0] if len(title) > 44 else title
    for size, room, most in ((29, 11, 3), (25, 13, 4), (21, 15, 5), (17, 19, 6)):
        lines = textwrap.wrap(main, room, break_long_words=False)
        if len(lines) <= most and all(_ems(line) * size <= WIDTH - 16 for line in lines):
            return lines, size
    lines = textwrap.wrap(main, 17, max_lines=6, placeholder=" …", break_long_words=True)
    return lines or ["Untitled"], 15


def _isolated(text: str) -> str:
    """Text with its own writing direction where `<bdi>` is impossible, without characters that end the isolation."""
    return "\u2068" + "".join(c for c in clean(text) if c not in "\u2066\u2067\u2068\u2069") + "\u2069"


def cover(item: Item) -> str:
    """An SVG of the book's cover, 2 : 3, titled for screen readers. All text is escaped."""
    seed = _seed(item)
    paper, ink, ornament = _palette(item, seed)
    lines, size = _lines(clean(item.title).strip() or "Untitled")
    rows = "".join(
        f'<text x="16" y="{20 + size * (1 + n * 1.16):.0f}" font-size="{size}" font-weight="600">'
        f"{escape(line)}</text>"
        for n, line in enumerate(lines)
    )
    by = textwrap.shorten(clean(item.creators[0]), 24, placeholder="…") if item.creators else ""
    name = escape(
        f"Cover of {_isolated(item.title)}"
        + (f" by {_isolated(', '.join(item.creators))}" if item.creators else ""),
        quote=True,
    )
    return (
        f'<svg class="star-cover" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{name}">'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="{paper}"/>'
        f"{_ornament(seed, ornament)}"
        f'<rect y="262" width="{WIDTH}" height="38" fill="{paper}"/>'
        f'<rect width="5" height="{HEIGHT}" fill="#000" opacity=".18"/>'
        f'<g fill="{ink}" font-family="{SERIF}">{rows}'
        f'<text x="16" y="286" font-size="13" font-style="italic">{escape(by)}</text></g></svg>'
    )
