import base64
import json
import shlex
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.redaction import MASK, Redactor

SECRETS = st.lists(
    st.text(st.characters(exclude_characters="*", exclude_categories=["Cs"]), min_size=4, max_size=12),
    min_size=1, max_size=3,
)  # fmt: skip
WAYS = {
    "as it is": lambda text: text,
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "basic authorisation": lambda text: base64.b64encode(f"user:{text}".encode()).decode(),
    "urlsafe base64": lambda text: base64.urlsafe_b64encode(f"ab{text}".encode()).decode(),
    "wrapped base64": lambda text: base64.encodebytes(text.encode()).decode(),
    "hex": lambda text: text.encode().hex(),
    "URL": quote,
    "URL, all": lambda text: quote(text, safe=""),
    "URL, lower": lambda text: quote(text, safe="").lower(),
    "form": quote_plus,
    "JSON": json.dumps,
    "JSON in JSON": lambda text: json.dumps(json.dumps(text)),
    "JSON of another tool": lambda text: json.dumps(text, ensure_ascii=False),
    "Python": repr,
    "Python bytes": lambda text: repr(text.encode()),
    "shell": shlex.quote,
    "HTML": lambda text: text.replace("&", "&amp;").replace('"', "&quot;"),
}


def streamed(redactor: Redactor, pieces: list[bytes]) -> bytes:
    out, rest = b"", b""
    for piece in pieces:
        said, rest = redactor.split(rest + piece)
        out += said
    return out + redactor.last(rest)


@given(SECRETS, st.data())
def test_no_secret_survives_any_chunking(secrets, data):
    noise = st.sampled_from(["", " ", "a", "\n", *secrets, *(s[: len(s) // 2] for s in secrets)])
    text = "".join(data.draw(st.lists(noise, max_size=12))).encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    told = streamed(Redactor(secrets), pieces)
    assert [s for s in secrets if s.encode() in told] == []


@given(st.binary(max_size=60), st.lists(st.integers(0, 60), max_size=5))
def test_what_holds_no_secret_comes_through_whole(data, cuts):
    at = sorted(min(cut, len(data)) for cut in cuts)
    pieces = [data[a:b] for a, b in zip([0, *at], [*at, len(data)], strict=True)]
    assert streamed(Redactor(["a secret that is nowhere"]), pieces) == data


@pytest.mark.parametrize("secret", ["s3cr3t", "a/b+c=d&e", "quo\"te'd", "tab\tand\\", "ümläut-ß", "x" * 100])
@pytest.mark.parametrize("way", WAYS)
def test_an_encoded_secret_is_found(way, secret):
    text = WAYS[way](secret)
    redactor = Redactor([secret])
    assert MASK in redactor.text(f"before {text} after")
    told = redactor.text(text)
    assert len(told) - told.count(MASK) * 3 <= 12, told  # what is left of quotes and of base64's ends
    assert streamed(redactor, [bytes([byte]) for byte in text.encode()]).decode() == told


@pytest.mark.parametrize(
    ("secret", "said"),
    [
        ("first line\nsecond line\n", "log: second line"),
        ("first line\r\nsecond line", "first line"),
        ('{"private_key": "-----BEGIN\\nabcdefgh\\n", "n": 1}', "abcdefgh"),
        ("postgres://user:passw0rd@host/db", "login failed with passw0rd"),
    ],
)
def test_a_part_of_a_secret_is_one(secret, said):
    assert MASK in Redactor([secret]).text(said)


def test_the_rest_of_a_line_is_not_held_back():
    redactor = Redactor(["s3cr3t"])
    assert redactor.split(b"is it s3c") == (b"is it ", b"s3c")
    assert redactor.split(b"is it s3c\n") == (b"is it s3c\n", b"")


def test_the_longer_of_two_secrets_is_waited_for():
    redactor = Redactor(["abcd", "abcdefgh", "xxabcd"])
    assert streamed(redactor, [b"-abcd", b"efgh-"]) == b"-***-"
    assert b"xxabcd" not in streamed(redactor, [b"xxab", b"cd", b"zz"])


def test_json_is_cleaned_in_keys_and_where_asked_in_numbers():
    redactor = Redactor(["123456", "s3cr3t"])
    value = {"s3cr3t": [1, 123456, True, None, "a s3cr3t b"]}
    assert redactor.data(value) == {MASK: [1, 123456, True, None, "a *** b"]}
    assert redactor.data(value, numbers=True) == {MASK: [1, MASK, True, None, "a *** b"]}


def test_without_secrets_everything_stays():
    assert Redactor([]).text("any ***") == "any ***"
    assert streamed(Redactor([]), [b"a", b"b"]) == b"ab"
