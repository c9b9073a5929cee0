"""How verbs print: aligned, and harmless on a terminal whatever a repository holds."""

import pytest

from reconciler.cli import _print, _told
from reconciler.model.errors import StepError


@pytest.mark.parametrize(
    ("text", "shown"),
    [("a\x1b[31mb", "a?[31mb"), ("a\nb\tc", "a b c"), ("\u202egnp", "?gnp"), ("\udcff", "?"), ("é→", "é→"), (3, "3")],
)
def test_plain_text_has_nothing_that_a_terminal_obeys(text, shown):
    assert _print.plain(text) == shown


def test_a_table_is_aligned_under_its_titles(capsys):
    _print.table(("NAME", "STATE", "WHY"), [("a", "Completed", None), ("longer", "Late", "x")])
    assert capsys.readouterr().out == "NAME    STATE      WHY\na       Completed\nlonger  Late       x\n"


def test_fields_without_a_value_are_left_out(capsys):
    _print.fields([("a", 1), ("longer", "x"), ("none", None), ("empty", "")])
    assert capsys.readouterr().out == "a:      1\nlonger: x\n"


def test_long_values_are_cut():
    assert _print.compact({"a": "x" * 100}, 20) == '{"a": "xxxxxxxxxxxx…'
    assert len(_print.compact("x" * 100, 20)) == 20


def test_an_error_that_quotes_a_repository_is_plain(capsys):
    _told(StepError("it said \x1b[31m\n::error::x", hint="see specs/a\n::notice::b.yaml"))
    assert capsys.readouterr().err == "error: it said ?[31m ::error::x\n  see specs/a ::notice::b.yaml\n"
