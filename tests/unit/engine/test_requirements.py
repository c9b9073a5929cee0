"""What the environment of a requirements file hangs on: its text, what it includes, what it names by path."""

import pytest

from reconciler.engine.requirements import FILES, Requirements, read
from reconciler.model.errors import StepError


def write(folder, files):
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return read(folder, "requirements.txt").digest


@pytest.mark.parametrize(
    ("files", "changed"),
    [
        ({"requirements.txt": "a==1\n"}, {"requirements.txt": "a==2\n"}),
        ({"requirements.txt": "-r more/dev.txt\n", "more/dev.txt": "a"}, {"more/dev.txt": "b"}),
        ({"requirements.txt": "-rdev.txt\n", "dev.txt": "-c pins.txt", "pins.txt": "a<1"}, {"pins.txt": "a<2"}),
        ({"requirements.txt": "--constraint=pins.txt\n", "pins.txt": "a<1"}, {"pins.txt": "a<2"}),
        ({"requirements.txt": "a \\\n  --hash=x\n-r dev.txt # why", "dev.txt": "a"}, {"dev.txt": "b"}),
        ({"requirements.txt": "./pkg\n", "pkg/setup.py": "1"}, {"pkg/setup.py": "2"}),
        ({"requirements.txt": "./pkg[fast] ; python_version > '3'\n", "pkg/a/b.py": "1"}, {"pkg/a/b.py": "2"}),
        ({"requirements.txt": "./pkg\n", "pkg/a.py": "1"}, {"pkg/b.py": "1"}),
        ({"requirements.txt": ".\n", "pyproject.toml": "1"}, {"pyproject.toml": "2"}),
        ({"requirements.txt": "one.whl\n", "one.whl": "1"}, {"one.whl": "2"}),
        ({"requirements.txt": "--no-index\n-f wheels\na", "wheels/a.whl": "1"}, {"wheels/a.whl": "2"}),
    ],
)
def test_what_the_meaning_hangs_on_makes_another_environment(tmp_path, files, changed):
    before = write(tmp_path, files)
    assert write(tmp_path, files) == before
    assert write(tmp_path, changed) != before


def test_a_package_by_its_address_on_this_machine_is_read(tmp_path):
    (tmp_path / "pkg").mkdir()
    before = write(tmp_path, {"requirements.txt": f"a @ file://{tmp_path}/pkg\n", "pkg/a.py": "1"})
    assert write(tmp_path, {"pkg/a.py": "2"}) != before


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("a==1\n", {"flow.py": "x"}),
        ("./pkg\n", {"pkg/.git/HEAD": "x", "pkg/__pycache__/a.pyc": "x"}),
        (
            "-c https://example.com/pins.txt\ngit+https://example.com/a.git@v1#egg=a\n-e git+ssh://git@h/x#egg=x",
            {"x": ""},
        ),
        ("-r requirements.txt\na", {"x": ""}),
    ],
    ids=["other files", "what git and Python keep", "what lies elsewhere", "a circle"],
)
def test_the_rest_does_not(tmp_path, text, other):
    before = write(tmp_path, {"requirements.txt": text, "pkg/a.py": "1"})
    assert write(tmp_path, other) == before


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"x": ""}, "there is no requirements file 'requirements.txt'"),
        ({"requirements.txt": "-r gone.txt"}, "there is no requirements file 'gone.txt'"),
        ({"requirements.txt": "-r /dev/zero"}, "there is no requirements file '/dev/zero'"),
        ({"requirements.txt": "-e ./pkg"}, "would point into this run's folder"),
        ({"requirements.txt": "--editable=."}, "would point into this run's folder"),
        ({"requirements.txt": "#" * (2 << 20)}, "larger than 1 MiB"),
        ({"requirements.txt": "-r 0", **{str(n): f"-r {n + 1}" for n in range(FILES)}}, "include each other"),
    ],
)
def test_what_cannot_be_installed_is_told_before_anything_is(tmp_path, files, message):
    with pytest.raises(StepError, match=message):
        write(tmp_path, files)


def test_a_file_is_handed_over_as_it_was_read(tmp_path):
    write(tmp_path, {"requirements.txt": "a"})
    found = read(tmp_path, "requirements.txt")
    assert Requirements.load(found.json()) == found
