import ast
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from reconciler.core import template
from reconciler.core.template import KEEP, MissingValueError, TemplateError, fill, follow, mentioned, names, render

VALUES = {
    "clone": {"directory": "repo", "items": [{"id": 7}], "n": 3, "ok": True, "none": None},
    "get-hash": {"stdout": "abc"},
    "$HOME": "/home/x",
    "a.b": "dotted",
    "list": [1, 2],
}


def look_up(name):
    return follow(VALUES, name)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("plain", "plain"),
        ("{{ clone.directory }}", "repo"),
        ("{{clone.directory}}", "repo"),
        ("{{ clone.n }}", 3),
        ("{{ clone.ok }}", True),
        ("{{ clone.none }}", None),
        ("{{ clone.items[0].id }}", 7),
        ("{{ list }}", [1, 2]),
        ("{{ list[1] }}", 2),
        ("{{ a.b }}", "dotted"),
        ("{{ $HOME }}/x", "/home/x/x"),
        ("{{ get-hash.stdout }}-{{ clone.n }}-{{ clone.ok }}", "abc-3-True"),
        (" {{ clone.n }}", " 3"),
        ('{{ absent | default("a b") }}', "a b"),
        ("{{ absent|default('') }}", ""),
        ("{{ absent | default(12) }}", 12),
        ("{{ absent | default(-1.5) }}", -1.5),
        ("{{ absent | default(none) }}", None),
        ("{{ absent | default(True) }}", True),
        ("{{ clone.n | default(9) }}", 3),
        ("x{{ absent | default(1) }}", "x1"),
        ("{{ ctx.flow_run.name }}", "{{ ctx.flow_run.name }}"),
        ("{{ ctx.flow.name }}-{{ clone.n }}", "{{ ctx.flow.name }}-3"),
        ("{{ unclosed", "{{ unclosed"),
        ('{"json": {"a": 1}}', '{"json": {"a": 1}}'),
        ("}} {{ clone.n }}", "}} 3"),
    ],
)
def test_rendering_a_text(text, value):
    found = render(text, look_up)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    "text",
    [
        "{{ clone.n | upper }}",
        "{{ clone.n + 1 }}",
        "{{ f() }}",
        "{{ 'x' }}",
        "{{ }}",
        "{% if x %}",
        "{{.State}}",
        "{{ clone.__class__() }}",
        "{{ x | default(y) }}",
        "in text {{ list }}",
    ],
)
def test_anything_else_is_an_error(text):
    with pytest.raises(TemplateError):
        render(text, look_up)


@pytest.mark.parametrize(
    "name", ["absent", "clone.absent", "list[9]", "list[0].x", "clone.directory.upper", "clone[0]"]
)
def test_a_missing_value_is_named(name):
    with pytest.raises(MissingValueError) as caught:
        render({"a": [f"{{{{ {name} }}}}"]}, look_up)
    assert caught.value.name == name
    assert name in str(caught.value)


def test_keys_and_other_values_are_left_alone():
    value = {"{{ clone.n }}": ["{{ clone.n }}", 1, None, {"x": "{{ clone.ok }}"}]}
    assert render(value, look_up) == {"{{ clone.n }}": [3, 1, None, {"x": True}]}


def test_a_kept_name_stays_for_a_later_rendering():
    text = "{{ later }} {{ clone.n }}"
    once = render(text, lambda name: KEEP if name == "later" else look_up(name))
    assert once == "{{ later }} 3"
    assert render(once, lambda _: "done") == "done 3"


def test_values_are_not_rendered_again():
    assert render("{{ a }}", lambda _: "{{ b }}") == "{{ b }}"


def test_names_are_collected():
    assert names({"a": "{{ x.y }} {{ ctx.z }}", "b": [1, '{{ $E | default("") }}']}) == {"x.y", "$E"}
    with pytest.raises(TemplateError):
        names("{{ a b }}")


@pytest.mark.parametrize(
    "text",
    [
        "{{ " + "a" * 500_000,
        "{{" * 200_000,
        "{{ x" + "[1]" * 200_000,
        '{{ x | default("' + "\\\\" * 200_000,
        "{{ x | default(" + " " * 500_000,
        "{%" * 200_000,
        "{{ a " * 100_000 + "}}",
    ],
)
def test_hostile_text_costs_one_pass(text):
    start = time.perf_counter()
    with suppress(TemplateError):
        render(text, look_up)
    assert time.perf_counter() - start < 2


def test_only_the_standard_library_is_imported():
    tree = ast.parse(Path(template.__file__).read_text())
    roots = {
        name.partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for name in ([a.name for a in node.names] if isinstance(node, ast.Import) else [node.module])
    }
    assert roots <= sys.stdlib_module_names


@pytest.mark.parametrize(
    ("value", "filled"),
    [
        ("{{ clone.n }}", 3),
        (["x {{ clone.n }} {{ absent | default('y') }}", {"{{ clone.n }}": 1.5}], ["x 3 y", {"{{ clone.n }}": 1.5}]),
        ("{% if x %}{{ x | upper }} {{ {{ clone.n }} }}", "{% if x %}{{ x | upper }} {{ 3 }}"),
        ("{{ clone.n | default(no literal) }}{{ clone.n | default(word) }}", "{{ clone.n | default(no literal) }}3"),
    ],
)
def test_in_data_of_anyones_only_placeholders_are_filled(value, filled):
    assert fill(value, look_up) == filled


def test_what_is_missing_in_data_of_anyones_is_told():
    with pytest.raises(MissingValueError):
        fill(["{{ absent }}"], look_up)
    with pytest.raises(TemplateError, match="is no literal"):
        fill("{{ absent | default(word) }}", look_up)


@pytest.mark.parametrize("literal", ["[" * 100_000, "NaN", "-Infinity", "1e999", "[1e999]"])
def test_a_fallback_is_a_value_that_json_can_hold(literal):
    with pytest.raises(TemplateError, match="is no literal"):
        render(f"{{{{ absent | default({literal}) }}}}", look_up)


def test_names_are_mentioned_with_whether_they_have_a_fallback():
    value = {"{{ key }}": ["{{ a.b }} {{ c | default(1) }}", "{{ d | upper }}", 1]}
    assert list(mentioned(value)) == [("a.b", False), ("c", True)]
