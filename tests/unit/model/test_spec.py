import pytest
from pydantic import ValidationError

from reconciler.model.duration import CENTURY, seconds
from reconciler.model.spec import DeploymentSpec, Schedule, name_fault


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (60, 60),
        (0.5, 0.5),
        (0, 0),
        ("PT10M", 600),
        ("PT1H30M", 5_400),
        ("P1D", 86_400),
        ("P1W", 604_800),
        ("P1M", 2_592_000),
        ("P1Y", 31_536_000),
        ("P1DT0.5S", 86_400.5),
        ("1:30:00", 5_400),
        ("0:00:01.5", 1.5),
    ],
)
def test_durations(given, expected):
    assert seconds(given) == expected


@pytest.mark.parametrize(
    "given",
    [
        "",
        "P",
        "PT",
        "P1DT",
        "600",
        "10 minutes",
        "1h",
        "1:90:00",
        "-PT1S",
        "P1.5D",
        "PT1H ",
        "P9999999999D",
        "P200Y",
        -1,
    ],
)
def test_what_is_no_duration(given):
    with pytest.raises(ValueError, match="must be"):
        seconds(given)


@pytest.mark.parametrize("given", [CENTURY + 1, 1e308, float("inf"), float("nan")])
def test_absurd_durations(given):
    with pytest.raises(ValueError, match="between"):
        seconds(given)


def test_names():
    assert name_fault("a b-ü_1.x") is None
    assert name_fault("x" * 200) is None
    assert all(name_fault(name) for name in ("", "x" * 201, "a/b", "-a", ".a", "a\n", "\u202ea", " a", "a "))


@pytest.mark.parametrize(
    "change",
    [
        {"paused": "yes"},
        {"paused": 1},
        {"version": 1.0},
        {"concurrency_limit": {"limit": True}},
        {"concurrency_limit": {"limit": "1"}},
        {"tags": ["a", ""]},
        {"entrypoint": "  "},
        {"labels": {"a": None}},
        {"parameters": None},
        {"unknown": 1},
        {"schedules": [{"interval": True}]},
    ],
)
def test_types_are_strict_and_keys_known(change):
    with pytest.raises(ValidationError):
        DeploymentSpec.model_validate({"name": "a", "entrypoint": "a.py:b", **change})


def test_a_spec_is_frozen_and_survives_json():
    spec = DeploymentSpec.model_validate(
        {
            "name": "a",
            "entrypoint": "a.py:b",
            "schedules": [{"cron": "@daily"}, {"interval": "PT1H", "anchor_date": "2024-01-01T00:00:00Z"}],
            "pull": [{"step": "git_clone", "inputs": {"repository": "."}}],
            "triggers": [{"type": "compound", "triggers": [{"type": "event", "match": {"a": ["b"]}}]}],
            "labels": {"a": 1, "b": True, "c": 0.5},
        }
    )
    assert DeploymentSpec.model_validate(spec.model_dump(mode="json")) == spec
    with pytest.raises(ValidationError):
        spec.paused = True


def test_defaults_are_not_shared():
    first, second = (DeploymentSpec.model_validate({"name": "a", "entrypoint": "b"}) for _ in range(2))
    first.parameters["x"] = 1
    assert second.parameters == {}


def test_the_strategy_of_the_limit_wins_over_the_deployments():
    base = {"name": "a", "entrypoint": "b", "collision_strategy": "CANCEL_NEW"}
    assert DeploymentSpec.model_validate(base).collision == "CANCEL_NEW"
    own = DeploymentSpec.model_validate({**base, "concurrency_limit": {"limit": 1, "collision_strategy": "ENQUEUE"}})
    assert own.collision == "ENQUEUE"


def test_a_rule_is_what_the_spec_gives():
    assert Schedule.model_validate({"cron": "@daily", "active": True}).rule() == {"cron": "@daily"}
