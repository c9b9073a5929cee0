"""The search for the first bad commit, over any history."""

from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.core.bisect import Found, Memory, Verdict, remaining, search


@st.composite
def lines(draw):
    """How many commits, the first bad one, and those that cannot be told."""
    count = draw(st.integers(2, 200))
    first_bad = draw(st.integers(1, count - 1))
    return count, first_bad, draw(st.sets(st.integers(1, max(1, count - 2)), max_size=20))


@settings(max_examples=300, derandomize=True, deadline=None)
@given(lines())
def test_the_first_bad_one_is_found_on_any_line_in_few_steps(line):
    count, first_bad, untold = line
    asked = []

    def probe(place):
        asked.append(place)
        if place in untold:
            return Verdict.SKIP
        return Verdict.BAD if place >= first_bad else Verdict.GOOD

    found = search(count, probe)
    assert first_bad in found.suspects
    assert set(found.suspects[:-1]) <= untold
    assert found.last_good < first_bad <= found.first_bad
    assert len(asked) == len(set(asked))
    assert not {0, count - 1} & set(asked)
    skips = sum(place in untold for place in asked)
    assert len(asked) <= remaining(count - 2) + skips


@settings(max_examples=200, derandomize=True, deadline=None)
@given(st.lists(st.sampled_from("abcdef"), min_size=2, max_size=60), st.sets(st.sampled_from("abcdef")))
def test_no_content_is_tried_twice_even_where_history_goes_back_and_forth(keys, bad):
    tried = []

    def attempt(place):
        tried.append(keys[place])
        return Verdict.BAD if keys[place] in bad else Verdict.GOOD

    memory = Memory(keys, attempt)
    ends = memory(0), memory(len(keys) - 1)
    if ends == (Verdict.GOOD, Verdict.BAD):
        found = search(len(keys), memory)
        assert (memory(found.last_good), memory(found.first_bad)) == ends
        assert found.first_bad == found.last_good + 1
    assert len(tried) == len(set(tried))


def test_neighbours_need_no_step_and_what_cannot_be_told_is_a_range():
    assert search(2, lambda _: Verdict.SKIP) == Found(1, 0)
    found = search(5, lambda _: Verdict.SKIP)
    assert list(found.suspects) == [1, 2, 3, 4]
