"""The environment that goes along: an allow-list."""

import os

import pytest

from reconciler.engine.environment import apply, inherited


@pytest.mark.parametrize(
    ("name", "value", "passes"),
    [
        ("PATH", "/bin", True),
        ("LC_TIME", "C", True),
        ("TZ", "UTC", True),
        ("SSL_CERT_FILE", "/x", True),
        ("HTTPS_PROXY", "http://proxy:3128", True),
        ("HTTPS_PROXY", "http://user:word@proxy:3128", False),
        ("PYTHONPATH", "/x", False),
        ("LD_PRELOAD", "/x", False),
        ("AWS_SECRET_ACCESS_KEY", "x", False),
        ("RECONCILER_STATE_DIR", "x", False),
        ("PATHS", "x", False),
    ],
)
def test_only_what_is_listed_goes_along(monkeypatch, name, value, passes):
    monkeypatch.setenv(name, value)
    assert (inherited().get(name) == value) is passes


def test_null_removes_what_was_inherited(monkeypatch):
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.setenv("MINE", "0")
    apply({"TZ": None, "MINE": "1", "ABSENT": None})
    assert (os.environ.get("TZ"), os.environ["MINE"]) == (None, "1")
