"""A flow object of Prefect's, run as it is by Prefect's own engine, where that is installed. Called by the run.

Prefect wants a server for each run. Unless the deployment names one (`PREFECT_API_URL` in its `env`), it starts a
temporary one, with its database in a folder that goes with the run.
"""

import importlib
import os
import sys
from pathlib import Path
from typing import Any

HOME = "prefect"
_PRIVATE = {
    "PREFECT_LOGGING_TO_API_ENABLED": "false",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_CLI_COLORS": "false",
    "DO_NOT_TRACK": "1",
}


class _BeforeIt:
    """Stands first among the finders of modules: Prefect reads its settings when it is imported, once and for all."""

    def __init__(self, run_dir: Path) -> None:
        self._home = run_dir / HOME

    def find_spec(self, name: str, _path: object = None, _target: object = None) -> None:
        """Find nothing; before `prefect` is found by somebody else, set what the deployment did not."""
        if name == "prefect":
            sys.meta_path.remove(self)
            if "PREFECT_API_URL" not in os.environ:
                for key, value in {**_PRIVATE, "PREFECT_HOME": str(self._home)}.items():
                    os.environ.setdefault(key, value)


def before(run_dir: Path) -> None:
    """Let Prefect, if the run imports it, keep what it keeps in the run's own directory."""
    sys.meta_path.insert(0, _BeforeIt(run_dir))


def is_flow(flow: Any) -> bool:
    """Whether an object is Prefect's, of a subclass too."""
    return any((kind.__module__, kind.__qualname__) == ("prefect.flows", "Flow") for kind in type(flow).__mro__)


def ready(flow: Any) -> Any:
    """What to call instead of a flow: Prefect's without retries and timeout, which are the daemon's; its server is up.

    Any other flow is called as it is.
    """
    if not is_flow(flow):
        return flow
    with importlib.import_module("prefect").get_client(sync_client=True):
        return flow.with_options(retries=0, timeout_seconds=0)
