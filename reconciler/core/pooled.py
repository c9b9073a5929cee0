"""Work pools as a spec file declares them: checked, and in the form the log keeps. Called by core/declare.

Later on top of them: core/assemble (all files together), core/plan (what changes), core/admit (who may start).
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from reconciler.core.parse import SpecFile
from reconciler.model.plan import Json, Problem

Path = tuple[str | int, ...]


class PoolFault(NamedTuple):
    """What is wrong with a work pool's type (an empty path) or with job variables for it; a note refuses nothing."""

    path: Path
    message: str
    note: bool = False


CheckPool = Callable[[str, Mapping[str, Json]], Iterable[PoolFault]]
"""(type of the pool, job variables) to what is wrong with them."""


def canonical(pool: Mapping[str, Json]) -> dict[str, Json]:
    """A declared pool with its type, and its queues by name with their priority."""
    queues = {q["name"]: {"priority": 1} | {k: v for k, v in q.items() if k != "name"} for q in pool.get("queues", ())}
    return {"type": "process"} | {k: v for k, v in pool.items() if k != "queues"} | {"work_queues": queues}


def check(
    found: SpecFile, name: str, pool: Mapping[str, Json], check_pool: CheckPool
) -> tuple[list[Problem], list[Problem]]:
    """Problems and notes of one declared pool, located."""
    problems: list[Problem] = []
    notes: list[Problem] = []
    for path, message, note in (*_types(pool, check_pool), *_twins(pool), *_template(pool)):
        whole = ("work_pools", name, *path)
        (notes if note else problems).append(Problem(*found.place(whole), message))
    return problems, notes


def _types(pool: Mapping[str, Json], check_pool: CheckPool) -> Iterator[PoolFault]:
    for path, message, note in check_pool(pool.get("type", "process"), pool.get("job_variables") or {}):
        yield PoolFault(("job_variables", *path) if path else ("type",), message, note)


def _twins(pool: Mapping[str, Json]) -> Iterator[PoolFault]:
    seen: set[str] = set()
    for index, queue in enumerate(pool.get("queues", ())):
        if queue["name"].casefold() in seen:
            yield PoolFault(("queues", index, "name"), f"a second queue of the name {queue['name']!r}")
        seen.add(queue["name"].casefold())


def _template(pool: Mapping[str, Json]) -> Iterator[PoolFault]:
    """Of a base job template only the defaults of its variables are taken."""
    template = pool.get("base_job_template") or {}
    for key in sorted(template.keys() - {"variables"}):
        yield PoolFault(("base_job_template", key), "has no effect: the pool's type makes the job", note=True)
    variables = template.get("variables") or {}
    properties = variables.get("properties") or {} if isinstance(variables, Mapping) else None
    if not isinstance(properties, Mapping) or not all(isinstance(p, Mapping) for p in properties.values()):
        said = "must be a JSON Schema: {properties: {NAME: {default: ...}}}"
        yield PoolFault(("base_job_template", "variables"), said)


def words(data: bytes) -> tuple[str, ...]:
    """What the work pools and queues of a file that cannot be read may be called: every word of it, if it has any."""
    if b"work_pools" not in data:
        return ()
    return tuple(sorted({word.decode("utf-8", "replace") for word in _WORD.findall(data)}))


_WORD = re.compile(rb"""[^\s:{}\[\],"'#]+""")
