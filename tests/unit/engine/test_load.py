"""Entrypoints found and imported under their real names, each in an interpreter of its own."""

import json
import subprocess
import sys

import pytest

SHOW = (
    "import json, sys; from pathlib import Path; from reconciler.engine.load import load\n"
    "try: found = load(sys.argv[1], Path(sys.argv[2]))\n"
    "except Exception as error: print(json.dumps([type(error).__name__, str(error)]))\n"
    "else: print(json.dumps([found.flow(), found.flow.__module__, found.name, found.version]))\n"
)

FILES = {
    "flow.py": "from helper import word\ndef main(): return word\n",
    "helper.py": "word = 'root'\n",
    "pkg/__init__.py": "",
    "pkg/words.py": "word = 'package'\n",
    "pkg/sub/__init__.py": "",
    "pkg/sub/mod.py": "from ..words import word\nimport helper\ndef run_me(): return word + helper.word\n",
    "flows/etl.py": "from beside import near\nfrom helper import word\ndef main(): return near + word\n",
    "flows/beside.py": "near = 'near '\n",
    "flows/json.py": "def main(): return 'ours'\n",
    "my-flow.py": "def main(): return 'dash'\n",
    "inspect.py": "def main(): return 1\n",
    "decorated.py": "from reconciler import flow\n@flow(name='Nice', version='2')\ndef main(): return 2\n",
    "needs.py": "import not_installed\n",
}


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    folder = tmp_path_factory.mktemp("source")
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def load(entrypoint, base):
    answer = subprocess.run([sys.executable, "-c", SHOW, entrypoint, base], check=True, capture_output=True, text=True)
    return json.loads(answer.stdout)


@pytest.mark.parametrize(
    ("entrypoint", "result", "module", "name"),
    [
        ("flow.py:main", "root", "flow", "main"),
        ("./flow.py:main", "root", "flow", "main"),
        ("pkg/sub/mod.py:run_me", "packageroot", "pkg.sub.mod", "run-me"),
        ("pkg.sub.mod.run_me", "packageroot", "pkg.sub.mod", "run-me"),
        ("pkg.sub.mod:run_me", "packageroot", "pkg.sub.mod", "run-me"),
        ("flows/etl.py:main", "near root", "etl", "main"),
        ("flows/json.py:main", "ours", "flows.json", "main"),
        ("my-flow.py:main", "dash", "my-flow", "main"),
        ("decorated.py:main", 2, "decorated", "Nice"),
    ],
)
def test_an_entrypoint_is_imported_under_its_real_name(base, entrypoint, result, module, name):
    found = load(entrypoint, base)
    assert found[:3] == [result, module, name]
    assert found[3] == "2" if name == "Nice" else len(found[3]) == 32


@pytest.mark.parametrize(
    ("entrypoint", "error", "message"),
    [
        ("none.py:main", "EntrypointError", "there is no file 'none.py'"),
        ("flow.py:nothing", "EntrypointError", "has no 'nothing'"),
        ("no.such.thing", "EntrypointError", "there is no module 'no.such'"),
        ("main", "EntrypointError", "an entrypoint is"),
        ("inspect.py:main", "EntrypointError", "rename the file"),
        ("needs.py:main", "ModuleNotFoundError", "not_installed"),
    ],
)
def test_what_cannot_be_run_says_why(base, entrypoint, error, message):
    found = load(entrypoint, base)
    assert found[0] == error
    assert message in found[1]
