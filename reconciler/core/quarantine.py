"""A deployment is held at a version it had, and let go again: facts, or one refusal. Called by daemon/quarantines."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from reconciler.core import commands, rest
from reconciler.core.versions import Version
from reconciler.model.errors import ConflictError, InvalidRequestError
from reconciler.model.events import DeploymentQuarantined, DeploymentReleased
from reconciler.model.fact import Fact
from reconciler.model.plan import Json, SourceKind
from reconciler.model.state import Deployment, Observed


def quarantine(observed: Observed, name: str, held: Version, *, now: datetime, who: str, reason: str) -> list[Fact]:
    """Hold a deployment at a version while git moves on; again at another one when it is held already.

    Runs that exist go on as they were created. Whether it is paused stays git's word of this moment, not that of the
    version. Raises NotFoundError, ConflictError, InvalidRequestError.
    """
    deployment = commands.find(observed, name)
    _need(reason, "quarantine", name)
    if deployment.preview:
        raise ConflictError(
            f"{name} previews the branch {deployment.preview}: it is not held", hint="push to that branch instead"
        )
    if branch := held.fields.get("preview"):
        raise ConflictError(
            f"version {held.name} is of a time when {name} previewed the branch {branch}: it is not held",
            hint=f"hold one that the tracked branch gave it: reconciler history {name}",
        )
    if held.commit is None and held.source.kind is not SourceKind.NONE:
        raise ConflictError(f"the source commit of version {held.name} is not known: nothing could be held")
    if deployment.quarantine and _is(deployment, held):
        raise ConflictError(f"{name} is quarantined at {held.name} already: {deployment.quarantine.reason}")
    fields = {key: value for key, value in held.held().items() if key != "paused"}
    rules = fields.get("schedules", ())
    return [
        *_told(deployment, now, "it was quarantined at a version with other schedules", rules),
        DeploymentQuarantined(
            deployment=name,
            version=held.name,
            held=fields | ({"paused": True} if deployment.paused else {}),
            reason=reason,
            who=who,
        ),
    ]


def release(observed: Observed, name: str, now: datetime, who: str, reason: str) -> list[Fact]:
    """End a quarantine: what git says counts again, from now on."""
    deployment = commands.find(observed, name)
    _need(reason, "release", name)
    if deployment.quarantine is None:
        raise ConflictError(f"{name} is not quarantined", hint=f"reconciler show {name} says what it is")
    rules = [scheduled.rule for scheduled in deployment.quarantine.wanted.schedules]
    told = _told(deployment, now, "its quarantine ended, and with it the schedule", rules)
    return [*told, DeploymentReleased(deployment=name, reason=reason, who=who)]


def _told(deployment: Deployment, now: datetime, why: str, rules: Iterable[Mapping[str, Json]]) -> list[Fact]:
    """The slots that passed and are not told yet, before other schedules take over."""
    going_on = {rule["id"]: rule for rule in rules}
    return [*rest.skipped(deployment, now), *rest.given_up(deployment, now, why, going_on)]


def _is(deployment: Deployment, held: Version) -> bool:
    same = deployment.digest == held.spec and deployment.generation == held.generation
    return same and deployment.source.commit == held.commit


def _need(reason: str, verb: str, name: str) -> None:
    if not reason.strip():
        raise InvalidRequestError(f"{verb} needs a reason", hint=f"reconciler {verb} {name} … --reason 'why'")
