"""The three axes of a deployment's status, each with its reason: sync, health, last run. Called by every surface."""

from collections.abc import Iterator
from dataclasses import dataclass

from reconciler.model.ids import instant
from reconciler.model.state import Deployment, Observed

BAD = {"Failed", "TimedOut", "Crashed"}
SYNC = ("Synced", "OutOfSync", "Unknown")
HEALTH = ("Healthy", "Degraded", "Paused", "Suspended", "Quarantined", "Invalid")


@dataclass(frozen=True, slots=True)
class Status:
    """Synced, OutOfSync or Unknown; Healthy, Degraded, Paused, Suspended, Quarantined or Invalid; and why."""

    sync: str
    health: str
    reason: str


def status(deployment: Deployment, observed: Observed, head: str | None) -> Status:
    """The status of one deployment; `head` is the commit of the branch it is of, None when it cannot be read."""
    sync, why = _sync(deployment, observed, head)
    health, reason = _health(deployment, observed)
    return Status(sync, health, reason or why)


def _sync(deployment: Deployment, observed: Observed, head: str | None) -> tuple[str, str]:
    if observed.stale:
        return "Unknown", f"{observed.stale['reason']} (since {observed.stale['since']})"
    return (_preview_sync if deployment.preview else _tracked_sync)(deployment, observed, head)


def _tracked_sync(deployment: Deployment, observed: Observed, head: str | None) -> tuple[str, str]:
    if head is None:
        return "Unknown", "the tracked branch cannot be read"
    if deployment.declared.invalid:
        return "OutOfSync", "its spec or code is broken at the applied revision"
    if observed.refused and observed.refused["revision"] == head:
        return "OutOfSync", f"revision {head[:8]} is refused: {observed.refused['reason']}"
    if observed.revision != head:
        return "OutOfSync", f"revision {head[:8]} is not applied yet"
    if deployment.quarantine and _moved_on(deployment, observed):
        return "OutOfSync", "another version is held than git has"
    return "Synced", ""


def _moved_on(deployment: Deployment, observed: Observed) -> bool:
    wanted, whole = deployment.declared, observed.whole_commit
    return (deployment.digest, deployment.source_commit(whole)) != (wanted.digest, wanted.source_commit(whole))


def _preview_sync(deployment: Deployment, observed: Observed, head: str | None) -> tuple[str, str]:
    branch = deployment.preview
    if head is None:
        return "Unknown", f"branch {branch} cannot be read"
    if deployment.invalid:
        return "OutOfSync", f"its spec or code is broken at the previewed commit of {branch}"
    if branch not in observed.previews or observed.previews[branch].revision != head:
        return "OutOfSync", f"commit {head[:8]} of {branch} is not previewed yet"
    return "Synced", ""


def _health(deployment: Deployment, observed: Observed) -> tuple[str, str]:
    if deployment.quarantine:
        return "Quarantined", "; ".join(_held(deployment, observed))
    if deployment.invalid:
        return "Invalid", _first_problem(deployment, observed)
    if deployment.suspended:
        hold = deployment.suspended
        also = f"; paused in {deployment.file} too" if deployment.paused and not deployment.preview else ""
        return "Suspended", f"{hold.reason} ({hold.who}){also}"
    if deployment.paused and not deployment.preview:
        return "Paused", f"paused in {deployment.file}"
    if deployment.last_state in BAD:
        return "Degraded", f"the last run {deployment.last_run} {deployment.last_state}"
    return ("Paused", _previewed(deployment, observed)) if deployment.preview else ("Healthy", "")


def _previewed(deployment: Deployment, observed: Observed) -> str:
    preview = observed.previews.get(deployment.preview)
    until = f" until {instant(preview.until)[:16]}Z" if preview else ""
    return f"a preview of {deployment.preview}{until}: runs by hand only"


def _held(deployment: Deployment, observed: Observed) -> Iterator[str]:
    """What a quarantine says, and whatever it would hide."""
    quarantine, wanted = deployment.quarantine, deployment.declared
    assert quarantine is not None  # noqa: S101 - the caller looked
    yield f"held at {quarantine.version}: {quarantine.reason} ({quarantine.who})"
    if _moved_on(deployment, observed):
        yield f"git has {wanted.version(observed.whole_commit)}"
    if wanted.invalid:
        yield f"broken in git: {_first_problem(wanted, observed)}"
    if deployment.suspended:
        yield f"suspended too: {deployment.suspended.reason} ({deployment.suspended.who})"
    if deployment.paused:
        yield f"paused in {wanted.file} too"
    if deployment.last_state in BAD:
        yield f"the last run {deployment.last_run} {deployment.last_state}"


def _first_problem(deployment: Deployment, observed: Observed) -> str:
    for problem in observed.problems_of(deployment):
        if problem["file"] == deployment.file:
            return f"{problem['file']}:{problem['line']}:{problem['column']}: {problem['message']}"
    return "its spec or code is broken; the last good version stays"
