"""What a flow's author imports. Importing it is nearly free: names are loaded when they are used."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from reconciler.engine.flows import Flow as Flow
    from reconciler.engine.flows import flow as flow

_HOMES = {"flow": "reconciler.engine.flows", "Flow": "reconciler.engine.flows"}

__all__ = ["Flow", "flow"]


def __getattr__(name: str) -> object:
    """The lazy face: a name is imported from where it lives when it is first used."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'reconciler' has no attribute {name!r}")
    value: object = getattr(__import__(home, fromlist=[name]), name)
    globals()[name] = value
    return value
