"""Where a run stands."""

import pytest

from reconciler.model.errors import StepError
from reconciler.steps import Context
from reconciler.steps.set_working_directory import SetWorkingDirectory


def test_it_is_absolute_or_relative_and_must_exist(tmp_path):
    (tmp_path / "a").mkdir()
    context = Context(tmp_path, tmp_path, {}, lambda *_: None, lambda *_: None)
    assert SetWorkingDirectory.act({"directory": "a"}, context) == {"directory": str(tmp_path / "a")}
    assert SetWorkingDirectory.act({"directory": "/"}, context) == {"directory": "/"}
    with pytest.raises(StepError, match="'b'"):
        SetWorkingDirectory.act({"directory": "b"}, context)
