"""Ids made from facts, never drawn; canonical JSON and its digest. Called by every floor."""

import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

_PLAIN = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def encoder(like: json.JSONEncoder) -> Callable[[Any], str]:
    """As `like.encode` does it, which makes a new encoder in C for each call: that costs more than most values.

    What contains itself raises RecursionError here.
    """
    make = getattr(json.encoder, "c_make_encoder", None)
    if make is None:
        return like.encode
    text = json.encoder.encode_basestring_ascii if like.ensure_ascii else json.encoder.encode_basestring
    words = like.key_separator, like.item_separator, like.sort_keys, like.skipkeys, like.allow_nan
    chunks = make(None, like.default, text, None, *words)
    return lambda value: "".join(chunks(value, 0))


_encode = encoder(_PLAIN)


def canonical(value: Any) -> bytes:
    """The one JSON text of a value: sorted keys, no spaces, UTF-8. Raises ValueError for NaN and infinities."""
    return _encode(value).encode("utf-8", "surrogatepass")


def digest(value: Any) -> str:
    """sha256 of the canonical JSON, 64 hex digits."""
    return hashlib.sha256(canonical(value)).hexdigest()


def instant(moment: datetime) -> str:
    """RFC 3339 in UTC with microseconds: `2026-11-22T09:00:00.000000Z`. Raises ValueError for a naive datetime."""
    if moment.tzinfo is None:
        raise ValueError(f"{moment} has no timezone")
    return _written(moment if moment.tzinfo is UTC else moment.astimezone(UTC))


@lru_cache(maxsize=1024)
def _written(utc: datetime) -> str:
    """Kept for a while: the rows of a turn name the same few. Of UTC only: elsewhere two that are equal may differ."""
    return utc.isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


@lru_cache(maxsize=1024)
def moment(text: str) -> datetime:
    """The aware UTC datetime of what `instant` wrote. Kept for a while: thousands of rows name the same few."""
    return datetime.fromisoformat(text).astimezone(UTC)


def run_id(deployment: str, cause: str, due: datetime) -> str:
    """16 hex digits from the deployment, what asked (a schedule's identity or a request's key) and when it is due.

    Safe in file names, URLs and ref names; the same facts always give the same id.
    """
    return hashlib.sha256(f"{deployment}\0{cause}\0{instant(due)}".encode()).hexdigest()[:16]


_LEFT = (
    "amber brave calm clear coral dapper eager early fair fleet gentle glad golden hardy hazel humble ivory jolly keen "
    "kind lively lucid mellow merry mild neat noble olive pearl plain proud quick quiet rapid ruby sage silver sleek "
    "solid spry steady sunny swift tidy topaz trusty velvet vivid warm wise witty young zesty"
).split()
_RIGHT = (
    "badger beaver bison condor coyote crane curlew dingo dove eagle egret falcon ferret finch fox gecko gibbon hare "
    "heron ibex ibis jackal jay kestrel kiwi lark lemur linnet lynx magpie marten mole moose newt ocelot osprey otter "
    "owl panda parrot pigeon plover puffin quail raven robin seal shrew stoat stork swan tapir tern toad trout vole "
    "weasel whale wombat wren yak zebra"
).split()


def run_name(run: str) -> str:
    """A name people can say, made from a run's id: `quiet-otter`."""
    number = int(run, 16)
    return f"{_LEFT[number % len(_LEFT)]}-{_RIGHT[number // len(_LEFT) % len(_RIGHT)]}"
