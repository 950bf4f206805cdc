# SPDX-License-Identifier: GPL-2.0-only
"""Ways to damage an input. Each takes the random numbers to use and what to damage, and returns it damaged."""

import copy
import gzip
import json
import lzma
import random
from collections.abc import Callable
from typing import Any

NASTY_WORDS = (
    "",
    " ",
    "-1",
    "0",
    "+5",
    "1" * 4301,
    "9" * 30,
    "0x" + "f" * 5000,
    "0xg",
    "1e999",
    "-inf",
    "nan",
    "NaN",
    "5e-324",
    "1e308",
    "0.1",
    "١٢",
    "\x1b[31mred",
    "\x1b]0;title\x07",
    "\x9b2J",
    "a\x00b",
    "\u202eabc",
    "\u2028",
    "{last.__class__}",
    "{last:0>900000000}",
    "{0}",
    "{",
    "}",
    "{{}}",
    "%s%n",
    "$HOME",
    "x" * 20000,
    "a b" * 4000,
    "/" * 3000,
    "'" * 500,
    "../../x",
    "http://127.0.0.1:9/x",
    "s3://bucket/x",
    "file:///etc/passwd",
    "é" * 200,
    "\U0001f600",
    "null",
    "true",
    "[]",
    "1_000",
    "0b1",
    "@1",
    "@999999999999999999999",
    "config",
    "\t",
    "\r",
    "--help",
)
NASTY_VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    1,
    2**31,
    2**63,
    2**64,
    10**30,
    0.5,
    -0.0,
    1e308,
    5e-324,
    float("inf"),
    float("-inf"),
    float("nan"),
    "",
    "x",
    "\x1b[31mred",
    "\ud800",
    "\x00",
    "\x9b2J",
    "x" * 5000,
    [],
    {},
    [[]],
    [None],
    {"": None},
    {"a": {"b": {"c": []}}},
    ["x", 1, None],
    {"\x1b[1m": "\x1b[1m"},
)


def flip_bytes(rng: random.Random, data: bytes) -> bytes:
    """Change a few bytes."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 5, 20))):
        if changed:
            changed[rng.randrange(len(changed))] = rng.randrange(256)
    return bytes(changed)


def cut(rng: random.Random, data: bytes) -> bytes:
    """Cut off the end, the start or a piece."""
    if not data:
        return data
    first, last = sorted((rng.randrange(len(data) + 1), rng.randrange(len(data) + 1)))
    return rng.choice((data[:first], data[last:], data[:first] + data[last:], b""))


def repeat(rng: random.Random, data: bytes) -> bytes:
    """Have a piece of it several times."""
    if not data:
        return data
    first = rng.randrange(len(data))
    piece = data[first : first + rng.choice((1, 4, 16, 200))]
    return data[:first] + piece * rng.choice((2, 10, 300)) + data[first:]


def insert_word(rng: random.Random, data: bytes) -> bytes:
    """Put a nasty word somewhere."""
    at = rng.randrange(len(data) + 1)
    return data[:at] + rng.choice(NASTY_WORDS).encode("utf-8", "replace") + data[at:]


def replace_word(rng: random.Random, data: bytes) -> bytes:
    """Put a nasty word in the place of another; between blanks, commas, colons, quotes or equals signs."""
    lines = data.split(b"\n")
    number = rng.randrange(len(lines))
    separator = rng.choice((b" ", b",", b"=", b": ", b'"', b"."))
    words = lines[number].split(separator)
    words[rng.randrange(len(words))] = rng.choice(NASTY_WORDS).encode("utf-8", "replace")
    lines[number] = separator.join(words)
    return b"\n".join(lines)


def shuffle_lines(rng: random.Random, data: bytes) -> bytes:
    """Drop, double or swap lines."""
    lines = data.split(b"\n")
    one, other = rng.randrange(len(lines)), rng.randrange(len(lines))
    way = rng.randrange(4)
    if way == 0:
        del lines[one]
    elif way == 1:
        lines.insert(other, lines[one])
    elif way == 2:
        lines[one], lines[other] = lines[other], lines[one]
    else:
        lines = lines[:one] + lines[other:]
    return b"\n".join(lines)


def change_number(rng: random.Random, data: bytes) -> bytes:
    """Put another number in the place of one."""
    import re

    found = list(re.finditer(rb"0x[0-9a-fA-F]+|\d+", data))
    if not found:
        return data
    place = rng.choice(found)
    numbers = (b"0", b"1", b"2", b"255", b"256", b"1023", b"1024", b"65536", b"4294967295", b"4294967296")
    numbers += (b"9223372036854775807", b"18446744073709551615", b"18446744073709551616", b"1" * 4301, b"-1", b"")
    return data[: place.start()] + rng.choice(numbers) + data[place.end() :]


def encode_otherwise(rng: random.Random, data: bytes) -> bytes:
    """Write it in another encoding, with other line ends or a mark before it."""
    text = data.decode("utf-8", "replace")
    way = rng.randrange(5)
    if way == 0:
        return text.encode("utf-16")
    if way == 1:
        return b"\xef\xbb\xbf" + data
    if way == 2:
        return data.replace(b"\n", b"\r\n")
    if way == 3:
        return data.replace(b"\n", b"\r")
    return data + b"\xff\xfe"


TEXT = (
    flip_bytes,
    cut,
    repeat,
    insert_word,
    replace_word,
    replace_word,
    shuffle_lines,
    change_number,
    encode_otherwise,
)
BINARY = (flip_bytes, flip_bytes, cut, repeat, change_number)


def damage(rng: random.Random, data: bytes, ways: tuple[Callable[..., bytes], ...] = TEXT) -> bytes:
    """Damage text or bytes in one to three ways."""
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        data = rng.choice(ways)(rng, data)
    return data


def damage_words(rng: random.Random, data: bytes) -> bytes:
    """Change one little-endian word of binary data, as lengths and offsets are."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 2, 4))):
        size = rng.choice((2, 4, 8))
        if len(changed) > size:
            at = rng.randrange(min(len(changed), rng.choice((400, 6000, 1 << 30))) - size)
            value = rng.choice((0, 1, 3, 8, 0xFFFF, 1 << 31, 2**32 - 1, 2**63 + 5, 2**64 - 1, rng.getrandbits(64)))
            changed[at : at + size] = (value & (1 << 8 * size) - 1).to_bytes(size, "little")
    return bytes(changed)


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path]
    if isinstance(value, dict):
        for name in value:
            found += _places(value[name], (*path, name))
    elif isinstance(value, list):
        for index in range(min(len(value), 30)):
            found += _places(value[index], (*path, index))
    return found


def damage_json(rng: random.Random, data: bytes) -> bytes:
    """Change, drop or add values anywhere in a JSON document."""
    document = json.loads(data)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        places = _places(document)
        # Deep places are many; take one of each depth as often.
        depth = rng.choice(sorted({len(place) for place in places}))
        place = rng.choice([place for place in places if len(place) == depth])
        value = copy.deepcopy(rng.choice(NASTY_VALUES))
        if not place:
            if rng.random() < 0.2:
                document = value
            continue
        holder = document
        for step in place[:-1]:
            holder = holder[step]
        way = rng.randrange(6)
        if way == 0 and isinstance(holder, dict):
            del holder[place[-1]]
        elif way == 1 and isinstance(holder, dict):
            holder[rng.choice(NASTY_WORDS)] = value
        elif way == 2 and isinstance(holder, list):
            holder.append(copy.deepcopy(holder[place[-1]]))
        else:
            holder[place[-1]] = value
    text = json.dumps(document, indent=rng.choice((None, 1)))
    if rng.random() < 0.05:
        text = '{"a":' * 3000 + text + "}" * 3000
    return text.encode()


def pack(rng: random.Random, name: str, data: bytes) -> tuple[str, bytes]:
    """Pack a file, damaged or not, by the right name or by a wrong one."""
    packers: dict[str, Callable[[bytes], bytes]] = {
        ".gz": gzip.compress,
        ".xz": lzma.compress,
        ".bz2": __import__("bz2").compress,
        ".zip": _zip,
        ".zst": _zstd,
        "": bytes,
    }
    packed = packers[rng.choice(tuple(packers))](data)
    if rng.random() < 0.5:
        packed = damage(rng, packed, BINARY)
    return name + rng.choice(tuple(packers)), packed


def _zip(data: bytes) -> bytes:
    import io
    import zipfile

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x", data)
    return buffer.getvalue()


def _zstd(data: bytes) -> bytes:
    import pyarrow

    return bytes(pyarrow.Codec("zstd").compress(data, asbytes=True))


def bomb(rng: random.Random, head: bytes) -> tuple[str, bytes]:
    """Return (suffix, data) of a small file that unpacks to half a gigabyte after a good start."""
    line = rng.choice((b"\n", b"#" * 63 + b"\n", b"flush 0\nsync 0\n", b"a" * 64, b"1,2,3,4\n", b"\0" * 64))
    block = line * ((1 << 20) // len(line))
    suffix = rng.choice((".xz", ".gz"))
    if suffix == ".xz":
        packer = lzma.LZMACompressor(preset=0)
        parts = [packer.compress(head), *(packer.compress(block) for _ in range(500)), packer.flush()]
    else:
        import zlib

        packer = zlib.compressobj(1, wbits=31)  # type: ignore[assignment]  # another packer
        parts = [packer.compress(head), *(packer.compress(block) for _ in range(500)), packer.flush()]
    return suffix, b"".join(parts)
