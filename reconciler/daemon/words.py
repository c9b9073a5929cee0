"""What spec files may name, given by the plug-in folders and checked at the door. Called by daemon/observe."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from reconciler import plugins, pools, schedules, steps
from reconciler.core.pooled import CheckPool, PoolFault
from reconciler.model.errors import UnknownWordError
from reconciler.model.ids import canonical
from reconciler.model.plan import Json

ELSEWHERE = frozenset(
    "docker kubernetes ecs cloud-run cloud-run-v2 vertex-ai azure-container-instance prefect:managed modal:push "
    "coiled:push ecs:push cloud-run:push cloud-run-v2:push azure-container-instance:push".split()
)
"""Types of work pools of Prefect that no file here keeps."""


@dataclass(frozen=True, slots=True)
class Words:
    """What spec files may name, given by the plug-in folders and checked at the door."""

    check_step: Callable[[str, Mapping[str, Json]], Iterable[tuple[tuple[str | int, ...], str]]]
    check_schedule: Callable[[Mapping[str, Json]], tuple[str, str] | None]
    check_pool: CheckPool
    pools: frozenset[str]


def words() -> Words:
    """The words of the plug-in folders."""
    return Words(steps.check, _check_schedule, _check_pool, frozenset(plugins.words(pools)))


def misfits(kind: str, variables: Mapping[str, Json]) -> list[str]:
    """What is wrong with job variables for a pool of this type; values are never repeated."""
    return [
        f"{'.'.join(map(str, path))}: {said}" for path, said, note in _check_pool(kind, variables) if path and not note
    ]


def _check_pool(kind: str, variables: Mapping[str, Json]) -> Iterator[PoolFault]:
    """Faults of a pool's type (an empty path) or of job variables for it; those without effect are notes."""
    try:
        text = canonical(variables)
    except (TypeError, ValueError):
        yield from _pool_faults(kind, variables)
        return
    yield from _known_faults(kind, text)


@lru_cache(maxsize=1024)
def _known_faults(kind: str, text: bytes) -> tuple[PoolFault, ...]:
    """Kept, as most deployments give the same job variables, or none."""
    return tuple(_pool_faults(kind, json.loads(text)))


def _pool_faults(kind: str, variables: Mapping[str, Json]) -> Iterator[PoolFault]:
    try:
        pool = plugins.load(pools, pools.Pool, kind)  # type: ignore[type-abstract]
    except UnknownWordError as error:
        told = str(error).replace("\n  ", "; ")
        here = "; `type: process` runs its flows on this machine, without an image" if kind in ELSEWHERE else ""
        yield PoolFault((), told + here)
        return
    for path, message in pools.check(pool, variables):
        yield PoolFault(path, message)
    for name in sorted((pool.WITHOUT_EFFECT & variables.keys()) | pools.foreign(pool, variables)):
        yield PoolFault((name,), f"has no effect in a pool of type {kind}", note=True)


def _check_schedule(rule: Mapping[str, Json]) -> tuple[str, str] | None:
    try:
        schedules.load(rule)
    except schedules.ScheduleError as error:
        return error.key, str(error)
    return None
