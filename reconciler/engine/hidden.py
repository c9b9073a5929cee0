"""What this process must not say: the secrets of its run. Called by whatever writes a fact, a message or a name.

A run without secrets holds none, and pays for a question to a variable.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reconciler.engine.secrets import Held

_held: "Held | None" = None


def hold(held: "Held | None") -> None:
    """From now on these are the secrets of this process."""
    global _held  # noqa: PLW0603 - a process runs one attempt
    _held = held


def held() -> "Held | None":
    """The secrets of this process."""
    return _held


def text(said: str) -> str:
    """A text without secrets: to be asked before it is cut, since half a secret is not found."""
    return _held.redactor.text(said) if _held else said


def data(value: Any, *, numbers: bool = False) -> Any:
    """A JSON value without secrets; with `numbers`, those that are one are replaced too."""
    return _held.redactor.data(value, numbers=numbers) if _held else value


def filled(value: Any) -> Any:
    """A JSON value with the secrets that it refers to. Raises MissingValueError and TemplateError."""
    return _held.fill(value) if _held else value


def referring(value: Any) -> Any:
    """The inverse: JSON for another run, which refers to the secrets that are in it."""
    return _held.refer(value) if _held else value


def check() -> None:
    """Raises StepError when a secret that the order needs is not there."""
    if _held:
        _held.check()
