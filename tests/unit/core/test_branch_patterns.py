"""Patterns of branches: what they match, and what is none."""

import pytest

from reconciler.core.branch_patterns import matches, misread


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("feature/*", "feature/x feature/x-1.2", "feature/team/x feature main xfeature/y"),
        ("feature/**", "feature/x feature/team/x", "feature"),
        ("**", "main a/b/c", ""),
        ("*", "main x", "a/b"),
        ("**/x", "x a/x a/b/x", "a/xy"),
        ("pr-??", "pr-12", "pr-1 pr-123"),
        ("v1.0", "v1.0", "v1x0"),
    ],
)
def test_patterns(pattern, yes, no):
    assert [b for b in yes.split() if not matches(b, (pattern,))] == []
    assert [b for b in no.split() if matches(b, (pattern,))] == []
    assert not misread(pattern)


@pytest.mark.parametrize("pattern", ["refs/pull/*", "refs/heads/x", "/x", "[ab]", "a b"])
def test_what_is_no_pattern_of_branches_is_told(pattern):
    assert misread(pattern)
