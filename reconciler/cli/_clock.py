"""The clock of the command line. Called by the verbs that show or wait for time; decisions get it as an argument."""

from datetime import UTC, datetime

from reconciler.model.errors import InvalidRequestError


def now() -> datetime:
    """The moment of asking."""
    return datetime.now(UTC)


def given(option: str, text: str | None) -> datetime | None:
    """The moment that an option names; without an offset it is UTC. Raises InvalidRequestError, naming the option."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidRequestError(f"{option}: {text!r} is no moment; write one such as 2024-03-09T00:00:00Z") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
