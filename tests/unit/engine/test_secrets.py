import os

import pytest

from reconciler.core.template import MissingValueError
from reconciler.engine import hidden, secrets
from reconciler.engine.order import Order
from reconciler.engine.secrets import Held
from reconciler.model.errors import StepError


def order(*values: str, **said) -> Order:
    return Order(
        run="r", attempt=1, entrypoint="f.py:f", parameters=dict(enumerate(values)), labels={}, env={}, flow={},
        limits={}, secrets=said,
    )  # fmt: skip


@pytest.fixture
def places(tmp_path):
    folder, file = tmp_path / "mounted", tmp_path / "values.env"
    (folder / "..data").mkdir(parents=True)
    (folder / "..data" / "LINKED").write_text("linked value\n\n")
    (folder / "LINKED").symlink_to("..data/LINKED")
    (folder / "BOTH").write_text("of the folder\r\n")
    (folder / "PIPE").mkdir()
    (folder / "BINARY").write_bytes(b"\xff\xfe\x00\x01")
    (folder / "BIG").write_text("x" * 70_000)
    (folder / "SHORT").write_text("abc\n")
    (folder / "BLANK").write_text("      \n")
    os.mkfifo(folder / "FIFO")
    file.write_text(
        "# COMMENTED=comment\n; SYSTEMD=comment\n\nBOTH=of the file\nexport EXPORTED=exported\n"
        "QUOTED='it is quoted'\nEQUALS=a=b=c\nTWICE=the first\nTWICE=the second\n"
    )
    return [str(folder), str(file), str(tmp_path / "absent")]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BOTH", "of the folder"),
        ("LINKED", "linked value\n"),
        ("EXPORTED", "exported"),
        ("QUOTED", "it is quoted"),
        ("EQUALS", "a=b=c"),
        ("TWICE", "the first"),
        ("ENV", "of the environment"),
        ("en-v.x", "by its shell name"),
    ],
)
def test_the_first_place_that_has_a_name_wins(places, tmp_path, name, value):
    vault = {"secrets": {"ENV": "of the environment", "EN_V_X": "by its shell name"}}
    held = secrets.find(order(f"{{{{ secret.{name} }}}}", places=places), tmp_path, vault)
    assert held.values == {name: value}
    held.check()


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("GONE", "environment (RECONCILER_SECRET_GONE), nor in {0}/GONE, nor in {1}, nor in {2}"),
        ("COMMENTED", "is nowhere"),
        ("SYSTEMD", "is nowhere"),
        ("PIPE", "PIPE (not a regular file)"),
        ("FIFO", "FIFO (not a regular file)"),
        ("BINARY", "BINARY (not UTF-8 text)"),
        ("BIG", "has more than 65536 bytes"),
        ("BLANK", "has fewer than 4 characters"),
        ("SHORT", "has fewer than 4 characters"),
    ],
)
def test_a_secret_that_cannot_be_had_fails_the_run_and_says_where_it_was_looked_for(places, tmp_path, name, why):
    held = secrets.find(order(f"{{{{ secret.{name} }}}}", places=places), tmp_path, None)
    with pytest.raises(StepError, match=f"^secret {name} ") as told:
        held.check()
    assert why.format(*places) in str(told.value)


def test_a_name_leads_out_of_no_folder(tmp_path):
    (tmp_path / "outside").write_text("outside of it")
    (tmp_path / "in").mkdir()
    held = secrets.find(order("{{ secret...outside }}", places=[str(tmp_path / "in")]), tmp_path, None)
    assert held.values == {}


def test_a_fallback_stands_in_for_what_is_missing_or_refused(tmp_path):
    todo = order("{{ secret.GONE | default('x') }}", "{{ secret.MINE | default(3) }}", refused=["MINE"])
    held = secrets.find(todo, tmp_path, {"secrets": {"MINE": "mine it is"}})
    held.check()
    assert held.fill(todo.parameters) == {0: "x", 1: 3}


def test_a_preview_is_told_why_it_may_not(tmp_path):
    held = secrets.find(order("{{ secret.MINE }}", refused=["MINE"]), tmp_path, {"secrets": {"MINE": "mine it is"}})
    with pytest.raises(StepError, match=r"secret MINE is not for previews: .* preview_secrets"):
        held.check()


def test_only_what_is_mentioned_is_held(tmp_path):
    held = secrets.find(order("{{ secret.A }}"), tmp_path, {"secrets": {"A": "value of a", "B": "value of b"}})
    assert held.state()["values"] == {"A": "value of a"}
    assert Held.load(held.state()).fill("<{{ secret.A }}>") == "<value of a>"


def test_only_secrets_are_put_in():
    held = Held({"A": "value of a"})
    jinja = "{% if x %}{{ x | upper }}{{ y }}{{ z | default(w) }}{{ ctx.flow.name }}"
    assert held.fill([jinja + "{{ secret.A }}", 1]) == [jinja + "value of a", 1]
    with pytest.raises(MissingValueError):
        held.fill("{{ secret.B }}")


def test_a_variable_whose_secret_is_missing_is_not_set():
    held = Held({"A": "value of a"}, {"B": "is nowhere"})
    assert held.environment({"X": "{{ secret.A }}", "Y": "{{ secret.B }}", "Z": None}) == {"X": "value of a", "Z": None}


def test_a_variables_fallback_is_text_or_none_and_one_that_is_no_literal_fails_the_run():
    held = Held({}, {"B": "is nowhere"})
    given = {"N": "{{ secret.B | default(5) }}", "O": "{{ secret.B | default(none) }}"}
    assert held.environment(given) == {"N": "5", "O": None}
    held.check()
    assert held.environment({"X": "{{ secret.B | default(word) }}"}) == {}
    with pytest.raises(StepError, match=r"env\.X cannot be put in: default\(word\) is no literal"):
        Held.load(held.state()).check()


def test_what_another_run_is_given_refers_to_the_secret():
    hidden.hold(Held({"A": "value", "B": "value and more"}))
    try:
        given = {"p": ["value and more", "x value", 1], "value": (True, None)}
        assert hidden.referring(given) == {
            "p": ["{{ secret.B }}", "x {{ secret.A }}", 1], "value": [True, None]
        }  # fmt: skip
        assert hidden.text("the value") == "the ***"
    finally:
        hidden.hold(None)
    assert hidden.referring(given) is given
    assert hidden.text("the value") == "the value"
