"""What the socket can be asked: each verb as a decision for the loop. Called by daemon/server.

Values are checked here, on the asking thread, as far as no state is needed; `decide` runs on the loop.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from reconciler import core
from reconciler.core import commands
from reconciler.core.arguments import merge
from reconciler.daemon import backfills, retention
from reconciler.daemon.loop import Loop, Request
from reconciler.model.errors import InvalidRequestError
from reconciler.model.events import Fact
from reconciler.model.ids import moment
from reconciler.model.plan import Json
from reconciler.model.spec import MAX_NAME
from reconciler.stores import Stored

ANSWER_TIMEOUT = 60.0
Decided = tuple[Json, list[Fact]]
Decide = Callable[[Loop, datetime], Decided]


def answer(loop: Loop, verb: str, args: Mapping[str, Any], who: str) -> Json:
    """Carry one request through the loop. Raises what it was refused for."""
    make = VERBS.get(verb)
    if make is None:
        raise InvalidRequestError(f"unknown request {verb!r}", hint=f"known: {', '.join(sorted(VERBS))}")
    request = Request(make(args, who))
    loop.inbox.put(request)
    return request.answer.result(timeout=ANSWER_TIMEOUT)


def purge(loop: Loop, stored: list[Stored]) -> tuple[int, int]:
    """Payloads that went, and their bytes: retention's own wish, decided like a person's."""
    request = Request(lambda loop, _now: retention.purge(loop.ledger, stored, loop.payloads.held))
    loop.inbox.put(request)
    went: tuple[int, int] = request.answer.result(timeout=ANSWER_TIMEOUT)
    return went


def _text(args: Mapping[str, Any], key: str) -> str:
    value = args.get(key)
    if not isinstance(value, str) or not value:
        raise InvalidRequestError(f"{key} is missing")
    return value


def _moment(given: Json) -> datetime | None:
    try:
        return moment(given) if given else None
    except (TypeError, ValueError):
        raise InvalidRequestError("due is no moment", hint="write one such as 2024-03-09T00:00:00Z") from None


def _run(args: Mapping[str, Any], who: str) -> Decide:
    name, key = _text(args, "deployment"), _text(args, "key")
    given, tags = args.get("parameters") or {}, args.get("tags") or []
    label, due = args.get("name"), _moment(args.get("due"))
    if not isinstance(given, dict) or not isinstance(tags, list) or not all(isinstance(t, str) and t for t in tags):
        raise InvalidRequestError("parameters is an object and tags are texts")
    if label is not None and not (isinstance(label, str) and 1 <= len(label) <= MAX_NAME and label.isprintable()):
        raise InvalidRequestError(f"name is 1 to {MAX_NAME} printable characters")

    def decide(loop: Loop, now: datetime) -> Decided:
        observed = loop.ledger.observed
        deployment = commands.find(observed, name)
        twin = loop.run_of_key(name, key)
        if twin is not None:
            return {"run": twin, "created": False}, []
        spec = loop.payloads.spec(deployment.digest)
        merged = merge(spec.get("parameters") or {}, given)
        _check(spec, merged)
        request = commands.RunRequest(
            name, loop.payloads.keep("parameters", merged), key, due or now, label, tuple(tags)
        )
        run, facts = commands.run(observed, request, who)
        return {"run": run, "created": True}, facts

    return decide


def _check(spec: Mapping[str, Json], values: Mapping[str, Json]) -> None:
    """Raises InvalidRequestError naming every parameter that does not fit."""
    schema = spec.get("parameter_openapi_schema")
    if schema is None or not spec.get("enforce_parameter_schema", True):
        return
    faults = [message for _, message in core.parameters.problems(schema, values, partial=False)]
    if faults:
        known = ", ".join((schema.get("properties") or {}).keys()) or "none"
        raise InvalidRequestError("; ".join(faults), hint=f"parameters of the flow: {known}")


def _cancel(args: Mapping[str, Any], who: str) -> Decide:
    run, reason = _text(args, "run"), str(args.get("reason") or "")

    def decide(loop: Loop, _now: datetime) -> Decided:
        found = loop.find_run(run)
        facts = commands.cancel(found, run, who, reason)
        return {"run": found.id if found else run}, facts

    return decide


def _suspend(args: Mapping[str, Any], who: str) -> Decide:
    name, reason = _text(args, "deployment"), str(args.get("reason") or "")
    return lambda loop, now: ({"deployment": name}, commands.suspend(loop.ledger.observed, name, now, who, reason))


def _resume(args: Mapping[str, Any], who: str) -> Decide:
    name, reason = _text(args, "deployment"), str(args.get("reason") or "")
    return lambda loop, now: ({"deployment": name}, commands.resume(loop.ledger.observed, name, now, who, reason))


def _confirm(args: Mapping[str, Any], who: str) -> Decide:
    revision, reason = _text(args, "revision"), str(args.get("reason") or "")

    def decide(loop: Loop, now: datetime) -> Decided:
        loop.stage(commands.confirm(loop.ledger.observed, revision, who, reason), now)
        loop.apply(now)
        return {"revision": revision}, []

    return decide


def _ping(_args: Mapping[str, Any], _who: str) -> Decide:
    return lambda loop, _now: ({"revision": loop.ledger.observed.revision, "seq": loop.ledger.observed.seq}, [])


def _backfill(args: Mapping[str, Any], who: str) -> Decide:
    wish, dry = backfills.wanted(args), bool(args.get("dry_run"))
    return lambda loop, now: backfills.decide(loop, now, wish, who, dry=dry)


VERBS: dict[str, Callable[[Mapping[str, Any], str], Decide]] = {
    "run": _run,
    "backfill": _backfill,
    "cancel": _cancel,
    "suspend": _suspend,
    "resume": _resume,
    "confirm": _confirm,
    "ping": _ping,
}
