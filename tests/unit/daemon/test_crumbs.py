"""What is at hand outlives its process; only two deaths in a row on the same thing count."""

import pytest

from reconciler.daemon.crumbs import SPACE, Busy, Crumbs

READING, LOOKING, HANDLING = Busy


@pytest.fixture
def path(tmp_path):
    return tmp_path / "crumbs"


def suspects(crumbs: Crumbs) -> list[tuple[int, str, str, int]]:
    return [(each.busy, each.name, each.blob, each.deaths) for each in crumbs.suspects]


def died(path, *at_hand) -> Crumbs:
    """A daemon that dies with these at hand; the next one."""
    crumbs = Crumbs(path)
    for each in at_hand:
        crumbs.enter(*each)
    return Crumbs(path)


def test_a_first_start_suspects_nothing(path):
    assert suspects(Crumbs(path)) == []
    assert suspects(Crumbs(path)) == []


def test_deaths_on_the_same_bytes_add_up_and_others_begin_anew(path):
    assert suspects(died(path, (READING, "a.yaml", "1"))) == [(0, "a.yaml", "1", 1)]
    assert suspects(died(path, (READING, "a.yaml", "1"))) == [(0, "a.yaml", "1", 2)]
    assert suspects(died(path, (READING, "a.yaml", "2"))) == [(0, "a.yaml", "2", 1)]
    assert suspects(died(path, (READING, "a.yaml", "2"), (READING, "b.yaml", "2"))) == [(0, "b.yaml", "2", 1)]


def test_a_death_with_nothing_at_hand_neither_counts_nor_forgives(path):
    died(path, (READING, "a.yaml", "1"))
    assert suspects(died(path)) == [(0, "a.yaml", "1", 1)]
    assert suspects(died(path, (READING, "a.yaml", "1"))) == [(0, "a.yaml", "1", 2)]


def test_what_was_done_with_again_is_suspected_no_more_and_others_are(path):
    crumbs = died(path, (LOOKING, "run-1"), (HANDLING, "run-2"))
    assert suspects(crumbs) == [(1, "run-1", "", 1), (2, "run-2", "", 1)]
    for run in ("run-3", "run-1"):
        crumbs.enter(LOOKING, run)
        crumbs.leave(LOOKING)
    crumbs.enter(HANDLING, "run-1")
    crumbs.leave(HANDLING)
    assert suspects(Crumbs(path)) == [(2, "run-2", "", 1)]


def test_a_daemon_told_to_end_leaves_nothing_at_hand(path):
    crumbs = Crumbs(path)
    crumbs.enter(READING, "a.yaml", "1")
    crumbs.close()
    crumbs.enter(READING, "a.yaml", "1")
    crumbs.leave(READING)
    crumbs.close()
    assert suspects(Crumbs(path)) == []


@pytest.mark.parametrize(
    "bytes_there",
    [
        b"",
        b"{",
        b"null\n" * 99,
        b'[0, "a"]\n',
        b'{"busy": 0, "name": "a", "blob": 1, "deaths": 9}\n',
        bytes(range(256)) * 99,
    ],
)
def test_anything_else_in_the_file_says_nothing(path, bytes_there):
    path.write_bytes(bytes_there)
    assert suspects(Crumbs(path)) == []


def test_a_name_that_does_not_fit_is_not_noted(path):
    assert suspects(died(path, (READING, "x" * SPACE, "1"))) == []


def test_without_a_place_to_write_nothing_is_noted_and_nothing_fails(tmp_path):
    for crumbs in (Crumbs(), Crumbs(tmp_path / "no" / "crumbs")):
        crumbs.enter(READING, "a.yaml", "1")
        crumbs.leave(READING)
        crumbs.forget()
        crumbs.close()
        assert suspects(crumbs) == []
