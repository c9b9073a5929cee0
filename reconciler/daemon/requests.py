"""What the socket can be asked: each verb as a decision for the loop. Called by daemon/server.

Values are checked here, on the asking thread, as far as no state is needed; `decide` runs on the loop.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from reconciler import core, plugins, pools
from reconciler import daemon as shell
from reconciler.core import commands, job_variables, quarantine, references
from reconciler.core.arguments import merge
from reconciler.core.template import mentioned
from reconciler.daemon import backfills, given, retention
from reconciler.daemon.given import text as _text
from reconciler.daemon.loop import Loop, Request
from reconciler.model.errors import ConflictError, InvalidRequestError
from reconciler.model.fact import Fact
from reconciler.model.plan import Json
from reconciler.model.state import Observed, Run
from reconciler.stores import Stored

ANSWER_TIMEOUT = 60.0
Decided = tuple[Json, list[Fact]]
Decide = Callable[[Loop, datetime], Decided]


def answer(loop: Loop, verb: str, args: Mapping[str, Any], who: str) -> Json:
    """Carry one request through the loop. Raises what it was refused for."""
    make = VERBS.get(verb)
    if make is None:
        raise InvalidRequestError(f"unknown request {verb!r}", hint=f"known: {', '.join(sorted(VERBS))}")
    given.only(verb, args, TAKES[verb])
    return decided(loop, make(args, who))


def decided(loop: Loop, decide: Decide) -> Json:
    """What the loop decides, once it is durable. Raises what it was refused for."""
    request = Request(decide)
    loop.inbox.put(request)
    return request.answer.result(timeout=ANSWER_TIMEOUT)


def purge(loop: Loop, stored: list[Stored]) -> tuple[int, int]:
    """Payloads that went, and their bytes: retention's own wish, decided like a person's."""
    request = Request(lambda loop, _now: retention.purge(loop.ledger, stored, loop.payloads.held))
    loop.inbox.put(request)
    went: tuple[int, int] = request.answer.result(timeout=ANSWER_TIMEOUT)
    return went


def _run(args: Mapping[str, Any], who: str) -> Decide:
    name, key, due = _text(args, "deployment"), _text(args, "key"), given.moment_of(args, "due")
    values, variables = given.mapping(args, "parameters"), given.mapping(args, "variables")
    tags, labels, label = given.tags(args), given.labels(args), given.name(args)

    def decide(loop: Loop, now: datetime) -> Decided:
        observed = loop.ledger.observed
        deployment = commands.find(observed, name)
        twin = loop.ledger.run_of_key(name, key)
        if twin is not None:
            return {"run": twin, "created": False}, []
        given.not_past(due, now)
        spec = loop.payloads.spec(deployment.digest)
        merged = merge(spec.get("parameters") or {}, values)
        check_parameters(spec, merged)
        _check_variables(observed, deployment.pool, spec, variables)
        request = commands.RunRequest(
            name, loop.payloads.keep("parameters", merged), key, due or now, label, tags, labels,
            loop.payloads.keep("parameters", variables) if variables else "",
        )  # fmt: skip
        run, facts = commands.run(observed, request, who)
        return {"run": run, "created": True}, facts

    return decide


def _retry(args: Mapping[str, Any], who: str) -> Decide:
    name, key, reason = _text(args, "run"), _text(args, "key"), str(args.get("reason") or "")
    latest = bool(args.get("latest"))

    def decide(loop: Loop, now: datetime) -> Decided:
        observed, old = loop.ledger.observed, commands.known(loop.ledger.run(name), name)
        again = commands.Again(old, key, latest, reason)
        twin = loop.ledger.run_of_key(old.deployment, again.cause)
        if twin is not None:
            return {"run": twin, "origin": old.id, "created": False}, []
        _check_kept(loop, old, latest=latest)
        if latest:
            deployment = commands.find(observed, old.deployment)
            spec = loop.payloads.spec(deployment.digest)
            check_parameters(spec, loop.payloads.value(old.parameters))
            _check_variables(observed, deployment.pool, spec, loop.payloads.value(old.variables))
        run, facts = commands.retry(observed, again, now, who)
        return {"run": run, "origin": old.id, "created": True}, facts

    return decide


def _check_kept(loop: Loop, run: Run, *, latest: bool, done: str = "tried again") -> None:
    """Raises ConflictError when what a run was created with was purged."""
    kept = {"its parameters": run.parameters, "its job variables": run.variables}
    gone = [what for what, name in kept.items() if not loop.payloads.has(name)]
    if gone:
        raise ConflictError(
            f"run {run.id} cannot be {done}: {' and '.join(gone)} were purged",
            hint=f"run it with parameters given anew: reconciler run {run.deployment}",
        )
    if not latest and not loop.payloads.has(run.spec):
        raise ConflictError(
            f"run {run.id} cannot be {done} as it was: its spec was purged",
            hint=f"with the deployment as it is now: reconciler retry {run.id} --latest",
        )


def _replay(args: Mapping[str, Any], who: str) -> Decide:
    name, key, reason = _text(args, "run"), _text(args, "key"), str(args.get("reason") or "")
    values, commit = given.mapping(args, "parameters"), given.commit(args)

    def decide(loop: Loop, now: datetime) -> Decided:
        old = commands.known(loop.ledger.run(name), name)
        _check_kept(loop, old, latest=False, done="replayed")
        spec, before = loop.payloads.spec(old.spec), loop.payloads.value(old.parameters)
        digest = old.parameters
        if values:
            check_parameters(spec, merged := merge(before, values))
            digest = loop.payloads.keep("parameters", merged)
        asked = commands.Replay(old, key, digest, tuple(sorted(values)), commit, reason)
        twin = loop.ledger.run_of_key(old.deployment, asked.cause)
        if twin is not None:
            return {"run": twin, "origin": old.id, "created": False}, []
        run, facts = commands.replay(asked, spec, now, who)
        return {"run": run, "origin": old.id, "created": True}, facts

    return decide


def _check_variables(observed: Observed, pool: str, spec: Mapping[str, Json], own: Mapping[str, Json]) -> None:
    """Raises InvalidRequestError naming every job variable that the pool does not take; values are never repeated."""
    if not own:
        return
    declared = observed.pools.get(pool) or {"type": pool}
    kind, base = declared["type"], job_variables.defaults(declared)
    whole = job_variables.merge(base, (spec.get("work_pool") or {}).get("job_variables") or {}, own)
    if faults := shell.words.misfits(kind, whole):
        keeper = plugins.load(pools, pools.Pool, kind)  # type: ignore[type-abstract]
        known = ", ".join(pools.variables(keeper))
        raise InvalidRequestError("; ".join(faults), hint=f"job variables of a pool of type {kind}: {known}")


def check_parameters(spec: Mapping[str, Json], values: Mapping[str, Json]) -> None:
    """Raises InvalidRequestError naming every parameter that does not fit, and every reference that names nothing."""
    for name in references.wanted(values.values()):
        if fault := references.fault(name):
            raise InvalidRequestError(f"{{{{ secret.{name[:40]} }}}}: {fault}")
    schema = spec.get("parameter_openapi_schema")
    if schema is None or not spec.get("enforce_parameter_schema", True):
        return
    # What only the run knows is checked there.
    later = {name for name, value in values.items() if any(mentioned([value]))}
    found = core.parameters.problems(schema, values, partial=False)
    faults = [message for path, message in found if not (path and path[0] in later)]
    if faults:
        known = ", ".join((schema.get("properties") or {}).keys()) or "none"
        raise InvalidRequestError("; ".join(faults), hint=f"parameters of the flow: {known}")


def _cancel(args: Mapping[str, Any], who: str) -> Decide:
    run, reason = _text(args, "run"), str(args.get("reason") or "")

    def decide(loop: Loop, now: datetime) -> Decided:
        found = loop.ledger.run(run)
        facts = commands.cancel(found, run, who, reason, now + loop.grace)
        return {"run": found.id if found else run}, facts

    return decide


def _suspend(args: Mapping[str, Any], who: str) -> Decide:
    name, reason = _text(args, "deployment"), str(args.get("reason") or "")
    return lambda loop, now: ({"deployment": name}, commands.suspend(loop.ledger.observed, name, now, who, reason))


def _release(args: Mapping[str, Any], who: str) -> Decide:
    name, reason = _text(args, "deployment"), str(args.get("reason") or "")
    return lambda loop, now: ({"deployment": name}, quarantine.release(loop.ledger.observed, name, now, who, reason))


def _resume(args: Mapping[str, Any], who: str) -> Decide:
    if "run" in args:
        return _resume_run(args, who)
    name, reason = _text(args, "deployment"), str(args.get("reason") or "")
    return lambda loop, now: ({"deployment": name}, commands.resume(loop.ledger.observed, name, now, who, reason))


def _resume_run(args: Mapping[str, Any], who: str) -> Decide:
    run, reason = _text(args, "run"), str(args.get("reason") or "")

    def decide(loop: Loop, _now: datetime) -> Decided:
        found = commands.known(loop.ledger.run(run), run)
        facts = commands.resume_run(found, who, reason)
        if not facts:
            loop.acts.let_go_on(found)  # it is recorded; should the word have been lost, it is given again
        return {"run": found.id}, facts

    return decide


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


TAKES = {
    "run": frozenset({"deployment", "key", "parameters", "variables", "tags", "labels", "name", "due"}),
    "backfill": frozenset({"deployment", "from", "to", "key", "schedule", "limit", "reprocess", "dry_run"}),
    "retry": frozenset({"run", "key", "latest", "reason"}),
    "replay": frozenset({"run", "key", "commit", "parameters", "reason"}),
    "cancel": frozenset({"run", "reason"}),
    "suspend": frozenset({"deployment", "reason"}),
    "resume": frozenset({"deployment", "run", "reason"}),
    "release": frozenset({"deployment", "reason"}),
    "confirm": frozenset({"revision", "reason"}),
    "ping": frozenset[str](),
}
"""What each verb may be given."""
VERBS: dict[str, Callable[[Mapping[str, Any], str], Decide]] = {
    "run": _run,
    "backfill": _backfill,
    "retry": _retry,
    "replay": _replay,
    "cancel": _cancel,
    "suspend": _suspend,
    "resume": _resume,
    "release": _release,
    "confirm": _confirm,
    "ping": _ping,
}
