"""Every error, and the one table from error to exit code and HTTP status.

    ReconcilerError              reason (CamelCase), what happened, what to do, and what comes next
    ├── UsageError               the call's own words are wrong
    │   ├── UnknownWordError     a word that is no plug-in's
    │   └── InvalidRequestError  parameters, times, names that do not fit
    ├── NotFoundError            no such deployment, run, revision
    ├── ConflictError            refused as things stand (already finished, needs confirming, held by another daemon)
    │   └── StaleHeadError       the log grew since it was read: read and decide again
    ├── SourceUnavailableError   git cannot answer now; never an empty desired state
    ├── StoreError               the log cannot be read or written
    │   └── ChainBrokenError     the log does not verify
    ├── DaemonError              no daemon, or one that does not answer
    ├── AccessError              permission is missing
    └── StepError                a pull step or the launch of a run failed

What comes next is one of *stalled* (a person must act; no retry), *waiting* (at a known time) and *transient*
(again, with backoff). The three classes follow Flux's controllers.
"""

from enum import StrEnum


class Next(StrEnum):
    """What happens after an error if nobody does anything."""

    STALLED = "stalled"
    WAITING = "waiting"
    TRANSIENT = "transient"


class ReconcilerError(Exception):
    """What happened, and what to do about it; `str()` is the one message a person reads."""

    reason: str = "Failed"
    next: Next = Next.STALLED
    exit_code: int = 1
    http_status: int = 500

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        """The message, then what to do."""
        return f"{self.message}\n  {self.hint}" if self.hint else self.message


class UsageError(ReconcilerError):
    """The call's own words are wrong."""

    reason = "Usage"
    exit_code = 2
    http_status = 400


class UnknownWordError(UsageError):
    """A word that is no plug-in's; the message names the known ones and the nearest."""

    reason = "UnknownWord"

    def __init__(self, family: str, word: str, known: list[str], nearest: str | None) -> None:
        near = f"; did you mean {nearest!r}?" if nearest else ""
        super().__init__(f"unknown {FAMILIES.get(family, family)} {word!r}{near}", hint=f"known: {', '.join(known)}")
        self.word = word
        self.known = known
        self.nearest = nearest


FAMILIES = {"steps": "pull step", "pools": "work pool type", "schedules": "schedule", "stores": "store", "cli": "verb"}


class InvalidRequestError(UsageError):
    """Parameters, times or names that do not fit what they are for."""

    reason = "Invalid"
    http_status = 422


class NotFoundError(ReconcilerError):
    """No such deployment, run or revision."""

    reason = "NotFound"
    http_status = 404


class ConflictError(ReconcilerError):
    """Refused as things stand."""

    reason = "Conflict"
    http_status = 409


class StaleHeadError(ConflictError):
    """The log grew since it was read: read and decide again."""

    reason = "StaleHead"
    next = Next.TRANSIENT


class SourceUnavailableError(ReconcilerError):
    """Git cannot answer now. The last desired state stays; nothing is pruned."""

    reason = "SourceUnavailable"
    next = Next.TRANSIENT
    http_status = 503


class StoreError(ReconcilerError):
    """The log cannot be read or written."""

    reason = "StoreFailed"
    http_status = 503


class ChainBrokenError(StoreError):
    """The log does not verify: an event, its order or a projection is not what was written."""

    reason = "ChainBroken"


class DaemonError(ReconcilerError):
    """No daemon, or one that does not answer."""

    reason = "NoDaemon"
    http_status = 503


class AccessError(ReconcilerError):
    """A permission is missing."""

    reason = "Forbidden"
    http_status = 403


class StepError(ReconcilerError):
    """A pull step or the launch of a run failed."""

    reason = "StepFailed"
