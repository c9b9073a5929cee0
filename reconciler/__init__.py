"""What a flow's author imports. Importing it is nearly free: names are loaded when they are used."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from reconciler.engine import runtime as runtime
    from reconciler.engine.context import FlowRun as FlowRun
    from reconciler.engine.context import MissingContextError as MissingContextError
    from reconciler.engine.context import RunContext as RunContext
    from reconciler.engine.context import TaskRun as TaskRun
    from reconciler.engine.context import get_run_context as get_run_context
    from reconciler.engine.deploying import deploy as deploy
    from reconciler.engine.flows import Flow as Flow
    from reconciler.engine.flows import flow as flow
    from reconciler.engine.futures import Future as Future
    from reconciler.engine.futures import FutureList as FutureList
    from reconciler.engine.futures import ThreadPoolTaskRunner as ThreadPoolTaskRunner
    from reconciler.engine.futures import allow_failure as allow_failure
    from reconciler.engine.futures import as_completed as as_completed
    from reconciler.engine.futures import unmapped as unmapped
    from reconciler.engine.futures import wait as wait
    from reconciler.engine.late import RunTimeoutError as RunTimeoutError
    from reconciler.engine.logs import get_run_logger as get_run_logger
    from reconciler.engine.pausing import FlowPauseTimeout as FlowPauseTimeout
    from reconciler.engine.pausing import pause_flow_run as pause_flow_run
    from reconciler.engine.pausing import suspend_flow_run as suspend_flow_run
    from reconciler.engine.serving import serve as serve
    from reconciler.engine.settings import exponential_backoff as exponential_backoff
    from reconciler.engine.states import Completed as Completed
    from reconciler.engine.states import Failed as Failed
    from reconciler.engine.states import RunFailedError as RunFailedError
    from reconciler.engine.states import State as State
    from reconciler.engine.states import UpstreamFailedError as UpstreamFailedError
    from reconciler.engine.tasks import Task as Task
    from reconciler.engine.tasks import task as task
    from reconciler.engine.tasks import task_input_hash as task_input_hash
    from reconciler.engine.triggering import DeploymentRun as DeploymentRun
    from reconciler.engine.triggering import arun_deployment as arun_deployment
    from reconciler.engine.triggering import run_deployment as run_deployment

_PLACES = {
    "context": "FlowRun MissingContextError RunContext TaskRun get_run_context",
    "deploying": "deploy",
    "flows": "Flow flow",
    "futures": "Future FutureList ThreadPoolTaskRunner allow_failure as_completed unmapped wait",
    "late": "RunTimeoutError",
    "logs": "get_run_logger",
    "pausing": "FlowPauseTimeout pause_flow_run suspend_flow_run",
    "serving": "serve",
    "settings": "exponential_backoff",
    "states": "Completed Failed RunFailedError State UpstreamFailedError",
    "tasks": "Task task task_input_hash",
    "triggering": "DeploymentRun arun_deployment run_deployment",
}
_HOMES = {name: f"reconciler.engine.{place}" for place, names in _PLACES.items() for name in names.split()}
_HOMES["runtime"] = "reconciler.engine"

__all__ = [  # noqa: PLE0604 - every name of the lazy face
    *_HOMES
]


def __getattr__(name: str) -> object:
    """The lazy face: a name is imported from where it lives when it is first used."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'reconciler' has no attribute {name!r}")
    value: object = getattr(__import__(home, fromlist=[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """What can be imported."""
    return sorted(_HOMES)
