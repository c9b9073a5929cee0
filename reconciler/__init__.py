"""What a flow's author imports. Importing it is nearly free: names are loaded when they are used."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from reconciler.engine.deploying import deploy as deploy
    from reconciler.engine.flows import Flow as Flow
    from reconciler.engine.flows import flow as flow
    from reconciler.engine.serving import serve as serve
    from reconciler.engine.triggering import FlowRun as FlowRun
    from reconciler.engine.triggering import arun_deployment as arun_deployment
    from reconciler.engine.triggering import run_deployment as run_deployment

_HOMES = {
    "flow": "reconciler.engine.flows",
    "Flow": "reconciler.engine.flows",
    "deploy": "reconciler.engine.deploying",
    "FlowRun": "reconciler.engine.triggering",
    "arun_deployment": "reconciler.engine.triggering",
    "run_deployment": "reconciler.engine.triggering",
    "serve": "reconciler.engine.serving",
}

__all__ = ["Flow", "FlowRun", "arun_deployment", "deploy", "flow", "run_deployment", "serve"]


def __getattr__(name: str) -> object:
    """The lazy face: a name is imported from where it lives when it is first used."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'reconciler' has no attribute {name!r}")
    value: object = getattr(__import__(home, fromlist=[name]), name)
    globals()[name] = value
    return value
