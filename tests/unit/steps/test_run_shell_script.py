"""`run_shell_script` with real commands."""

import os

import pytest

from reconciler.model.errors import StepError
from reconciler.steps import Context
from reconciler.steps.run_shell_script import RunShellScript


@pytest.fixture
def act(tmp_path):
    context = Context(
        tmp_path, tmp_path, {"PATH": os.environ["PATH"], "GIVEN": "from the run"}, lambda *_: None, lambda *_: None
    )

    def run(script, **inputs):
        return RunShellScript.act({"script": script, "stream_output": False, **inputs}, context)

    return run


@pytest.mark.parametrize(
    ("script", "inputs", "stdout"),
    [
        ("echo one\n\n  # a remark\necho two", {}, "one\ntwo"),
        ("echo 'a  b' | cat", {}, "a  b | cat"),
        ("echo $GIVEN", {}, "$GIVEN"),
        ("echo $GIVEN ${MINE} $ABSENT", {"expand_env_vars": True, "env": {"MINE": "x"}}, "from the run x $ABSENT"),
        ("printenv GIVEN", {"env": {"GIVEN": "over"}}, "over"),
        ("if true; then\n echo yes | tr y Y\nfi", {"shell": True}, "Yes"),
        ("pwd", {"directory": "/"}, "/"),
        ("true", {}, ""),
    ],
)
def test_a_script_gives_its_output(act, script, inputs, stdout):
    assert act(script, **inputs)["stdout"] == stdout


def test_both_streams_are_kept_apart_and_stripped(act):
    assert act("echo ' out '; echo err >&2", shell=True) == {"stdout": "out", "stderr": "err"}  # noqa: S604


def test_a_flood_on_both_streams_does_not_block_and_is_bounded(act):
    kept = act("head -c 4000000 /dev/zero | tr '\\0' e >&2; head -c 4000000 /dev/zero | tr '\\0' o", shell=True)  # noqa: S604
    assert len(kept["stdout"]) == len(kept["stderr"]) == 1 << 20


@pytest.mark.parametrize(
    ("script", "inputs", "message"),
    [
        ("false\ntouch never", {}, "'false' ended with exit status 1"),
        ("false; touch never", {"shell": True}, "ended with exit status 1"),
        ("sh -c 'kill -9 $$'", {}, "ended with signal 9"),
        ("ls /not/there", {}, "/not/there"),
        ("no-such-command", {}, "'no-such-command' cannot be run in"),
        ("echo 'open", {}, "cannot be split into words"),
        ("true", {"directory": "absent"}, "cannot be run in"),
    ],
)
def test_a_script_that_fails_says_why_and_stops(act, tmp_path, script, inputs, message):
    with pytest.raises(StepError) as caught:
        act(script, **inputs)
    assert message in caught.value.message
    assert not (tmp_path / "never").exists()


@pytest.mark.parametrize("inputs", [{"script": "echo s3cr3t"}, {"script": "echo $T", "expand_env_vars": True}])
def test_a_secret_never_stands_in_a_command_line(tmp_path, inputs):
    hide = lambda text: text.replace("s3cr3t", "***")  # noqa: E731
    context = Context(tmp_path, tmp_path, {"PATH": os.environ["PATH"]}, lambda *_: None, lambda *_: None, hide)
    with pytest.raises(StepError, match="a secret would stand in a command line"):
        RunShellScript.act({**inputs, "env": {"T": "s3cr3t"}}, context)
    RunShellScript.act({"script": "echo $T", "stream_output": False, "env": {"T": "s3cr3t"}}, context)


def test_half_a_secret_is_not_what_an_error_begins_with(tmp_path):
    hide = lambda text: text.replace("0123456789", "***")  # noqa: E731
    context = Context(tmp_path, tmp_path, {"PATH": os.environ["PATH"]}, lambda *_: None, lambda *_: None, hide)
    script = "printf 01234; printf 56789; head -c 995 /dev/zero | tr '\\0' x; exit 1"
    with pytest.raises(StepError) as told:
        RunShellScript.act({"script": script, "shell": True, "stream_output": False}, context)
    assert told.value.message.endswith(": ***" + "x" * 995)
