"""A pull step of the user's own: `module.function` from the working copy, called with its inputs. Called by the pull.

User code runs here, in the run's own process, as it does in the flow; the daemon has never imported it.
"""

import importlib
import inspect
import json
import os
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reconciler.model.errors import StepError

_OURS = str(Path(__file__).parent)


def act(word: str, inputs: Mapping[str, Any], directory: Path, path: str | None) -> dict[str, Any]:
    """What the function puts out: a mapping of JSON values, {} for None. Raises StepError whatever it does instead.

    It is looked for in `directory`, where the run stands, and in `path` below it, then among what is installed.
    """
    module_name, _, name = word.rpartition(".")
    places = [str(directory), *([str(directory / path)] if path else [])]
    if directory.is_dir():
        os.chdir(directory)
    sys.path[:0] = places
    try:
        function = _function(module_name, name)
        return _outputs(word, _awaited(function(**inputs)))
    except StepError:
        raise
    except SystemExit as stop:
        raise StepError(f"it called sys.exit({stop.code!r})") from None
    except Exception as error:  # noqa: BLE001 - whatever a step raises fails the run, as a fact
        _tell(error)
        raise StepError(f"{type(error).__name__}: {error}") from None
    finally:
        for place in places:
            sys.path.remove(place)


def _function(module_name: str, name: str) -> Any:
    importlib.invalidate_caches()  # a step before may have written the module a moment ago
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name and f"{module_name}.".startswith(f"{error.name}."):
            hint = "it must lie where the steps before end, or be installed by a step before"
            raise StepError(f"there is no module {error.name!r}", hint=hint) from None
        raise
    function = getattr(module, name, None)
    if not callable(function):
        raise StepError(f"{module_name} has no function {name!r}")
    return function


def _awaited(result: Any) -> Any:
    """The event loop is loaded for async steps only."""
    return (
        importlib.import_module("reconciler.engine.loop").run(result, None) if inspect.isawaitable(result) else result
    )


def _outputs(word: str, result: Any) -> dict[str, Any]:
    if result is None:
        return {}
    if not isinstance(result, Mapping) or not all(isinstance(key, str) for key in result):
        raise StepError(f"{word} returned a {type(result).__name__}: a step puts out a mapping of names, or None")
    for key, value in result.items():
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError, RecursionError):
            raise StepError(f"its output {key!r} is a {type(value).__name__}, which is no JSON value") from None
    if not isinstance(result.get("directory", ""), str):
        raise StepError("its output 'directory' is no text")
    return dict(result)


def _tell(error: Exception) -> None:
    """The traceback from the user's first line on, in the run's output."""
    trace = error.__traceback__
    while trace and trace.tb_frame.f_code.co_filename.startswith((_OURS, "<frozen ")):
        trace = trace.tb_next
    traceback.print_exception(error.with_traceback(trace))
