"""Secrets kept out of what a run says: every form in which one is likely to appear becomes `***`. Called by the engine.

Standard library only. A value is found as it is, line by line where it has several, and encoded: base64 at any
alignment, hex, quoted for URLs, JSON, Python, shells and HTML. Texts inside of a JSON value, and the password inside
of a URL, count as values too.
"""

import base64
import json
import re
import shlex
from collections.abc import Iterable, Iterator
from typing import Any, Final
from urllib.parse import quote, quote_plus

MASK: Final = "***"
LEAST: Final = 4
"""Characters of the shortest secret that can be told from ordinary text."""
_LINE = 8
"""Characters of the shortest part of a secret (a line, a text in it) that is taken for secret by itself."""
_PASSWORD = re.compile(r"://[^/\s:@]*:([^/\s@]+)@")


class Redactor:
    """Replaces secrets in text, bytes and JSON values."""

    def __init__(self, values: Iterable[str]) -> None:
        forms = {form for value in values for form in _forms(value)}
        self._forms = sorted((form.encode("utf-8", "surrogatepass") for form in forms), key=len, reverse=True)
        self._texts = sorted(forms, key=len, reverse=True)
        self._in_bytes = re.compile(b"|".join(map(re.escape, self._forms)) or b"(?!)")
        self._in_text = re.compile("|".join(map(re.escape, self._texts)) or "(?!)")

    def text(self, said: str) -> str:
        """The text without secrets."""
        return self._in_text.sub(MASK, said) if any(form in said for form in self._texts) else said

    def data(self, value: Any, *, numbers: bool = False) -> Any:
        """A JSON value without secrets, in keys too, and in numbers if asked; anything else is left as it is."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.data(key): self.data(item, numbers=numbers) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.data(item, numbers=numbers) for item in value]
        if numbers and isinstance(value, (int, float)) and not isinstance(value, bool):
            return MASK if self.text(repr(value)) != repr(value) else value
        return value

    def split(self, data: bytes) -> tuple[bytes, bytes]:
        """What can be passed on of a stream so far, without secrets, and the rest, which may begin one."""
        held = self._may_begin(data)
        if not any(form in data for form in self._forms):
            return data[:held], data[held:]
        pieces: list[bytes] = []
        end = 0
        for match in self._in_bytes.finditer(data):
            if match.start() >= held:
                break
            pieces += (data[end : match.start()], MASK.encode())
            end = match.end()
        cut = max(held, end)
        return b"".join((*pieces, data[end:cut])), data[cut:]

    def last(self, data: bytes) -> bytes:
        """The rest of a stream that has ended, without secrets."""
        return self._in_bytes.sub(MASK.encode(), data)

    def _may_begin(self, data: bytes) -> int:
        """The first place from which on the data is the beginning of a longer form; its length where there is none."""
        first = len(data)
        for form in self._forms:
            at = data.find(form[:1], max(0, len(data) - len(form) + 1))
            while 0 <= at < first:
                if form.startswith(data[at:]):
                    first = at
                at = data.find(form[:1], at + 1)
        return first


def _forms(value: str) -> set[str]:
    """Every text that gives the value away."""
    values = {value, *(part for part in _parts(value) if len(part) >= _LINE)}
    found = {form for each in values for form in (each, *_encoded(each))}
    return {form for form in found if len(form) >= LEAST}


def _parts(value: str) -> Iterator[str]:
    yield from (line.strip() for line in value.splitlines())
    yield from _PASSWORD.findall(value)
    if value[:1] in "{[":
        try:
            yield from _leaves(json.loads(value))
        except (ValueError, RecursionError):
            return


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
        yield from (line.strip() for line in value.splitlines())
    elif isinstance(value, (dict, list)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _leaves(item)


def _encoded(value: str) -> Iterator[str]:
    raw = value.encode("utf-8", "surrogatepass")
    yield from _base64(raw)
    yield from (raw.hex(), raw.hex().upper())
    for quoted in (quote(raw), quote(raw, safe=""), quote_plus(raw)):
        yield from (quoted, re.sub("%..", lambda code: code[0].lower(), quoted))
    once = json.dumps(value)[1:-1]
    yield from (once, json.dumps(value, ensure_ascii=False)[1:-1], once.replace("/", "\\/"), json.dumps(once)[1:-1])
    yield from (repr(value)[1:-1], repr(raw)[2:-1], shlex.quote(value)[1:-1] if "'" in value else value)
    html = value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    yield from (
        html,
        html.replace('"', "&quot;"),
        html.replace('"', "&quot;").replace("'", "&#x27;"),
        html.replace('"', "&#34;").replace("'", "&#39;"),
    )


def _base64(raw: bytes) -> Iterator[str]:
    """What of it is in any base64 text, at each of the three alignments, and in lines as tools wrap them."""
    for before in range(3):
        text = base64.b64encode(bytes(before) + raw).decode().rstrip("=")
        whole = text[(0, 2, 3)[before] : -1 if (before + len(raw)) % 3 else None]
        yield from (whole, whole.translate(_URL_SAFE))
    text = base64.b64encode(raw).decode()
    for width in (64, 76):
        yield from (text[at : at + width] for at in range(0, len(text), width) if len(text) > width)


_URL_SAFE = str.maketrans("+/", "-_")
