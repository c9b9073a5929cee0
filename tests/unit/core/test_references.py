import pytest

from reconciler.core import references


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("{{ secret.A }}", {"A": True}),
        ({"a": ["x {{secret.tls.key}} y", {"b": "{{ secret.A | default('') }}"}]}, {"tls.key": True, "A": False}),
        (["{{ secret.A | default('') }}", "{{ secret.A }}"], {"A": True}),
        ("{{ secrets.A }} {{ A.secret.B }} {{ $secret.A }} {% secret.A %}", {}),
        ({"{{ secret.A }}": 1, "n": 1.5, "t": None}, {}),
    ],
)
def test_references_are_found_in_values_alone(value, found):
    assert references.wanted([value]) == found


@pytest.mark.parametrize("name", ["A", "db-pass", "tls.key", "_x", "a" * 200])
def test_names_of_secrets(name):
    assert references.fault(f"secret.{name}") is None


@pytest.mark.parametrize("name", ["", ".", "..", "a..b", "a/b", "../x", "ü", "a[0]", ".hidden", "a" * 201])
def test_what_is_no_name(name):
    assert "a secret's name has" in (references.fault(f"secret.{name}") or "")
