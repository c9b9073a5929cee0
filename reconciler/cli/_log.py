"""The log as reading verbs see it, while the daemon runs and while it does not. Called by every verb that reads."""

import gc
import json
from collections.abc import Iterator
from contextlib import contextmanager

from reconciler.cli._named import nearest
from reconciler.cli._place import Place
from reconciler.core import rows
from reconciler.model.errors import NotFoundError, ReconcilerError
from reconciler.model.plan import Json
from reconciler.model.state import Deployment, Observed
from reconciler.stores import Log
from reconciler.stores._reader import Reader

REPOSITORY = "repository"


@contextmanager
def quickly() -> Iterator[None]:
    """For what builds many objects and keeps them: looking for garbage among them would cost a third of the time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@contextmanager
def reading(place: Place) -> Iterator[Reader]:
    """The log of a place. Raises NotFoundError where none is yet, AccessError naming the missing permission."""
    reader = Reader.open(place.state.log)
    try:
        yield reader
    finally:
        reader.close()


def observed(log: Log) -> Observed:
    """Observed state from the projections: live rows only, however long the log is."""
    seq, _ = log.head()
    return rows.restore(log.meta(REPOSITORY), log.deployments(), log.live_runs(), seq)


def branch(place: Place) -> str | None:
    """The tracked branch; None where no log can be read."""
    try:
        with reading(place) as log:
            return rows.restore(log.meta(REPOSITORY), (), (), 0).branch
    except ReconcilerError:
        return None


def deployment(log: Log, name: str) -> Deployment:
    """One deployment. Raises NotFoundError, naming the nearest."""
    try:
        return rows.deployment_of(log.deployment(name))
    except NotFoundError as error:
        known = {row["name"] for row in log.deployments()}
        near = nearest(name, known)
        hint = f"did you mean {near!r}?" if near else "`reconciler status` lists them; names read FLOW/DEPLOYMENT"
        raise NotFoundError(error.message, hint=hint) from None


def payload(log: Log, digest: str | None) -> Json:
    """The JSON value of a digest; None where it was purged or nothing is named."""
    body = log.payload(digest) if digest else None
    return json.loads(body) if body is not None else None
