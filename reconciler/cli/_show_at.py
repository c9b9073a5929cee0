"""The desired state at any commit, read from git alone. Called by `show --at`."""

from reconciler.cli._named import declared_in
from reconciler.cli._place import Place, settings_of
from reconciler.cli._plan_text import located
from reconciler.cli._planning import Planner, told_offline
from reconciler.cli._print import compact, fields, plain, print_json, progress, say, table
from reconciler.cli._show_deployment import spec_text
from reconciler.core.plan import commit_of, lane_of, version_of
from reconciler.model.plan import Declared, Desired, Json
from reconciler.schedules import DECIDES


def show(place: Place, revision: str, name: str | None, *, as_json: bool) -> None:
    """Print what the spec files say at a revision: everything, or one deployment. Raises NotFoundError."""
    planner = Planner(place, settings_of(place, {}))
    with planner.repo, progress("reading specs"):
        desired = planner.at(revision)
    if name is not None:
        _one(desired, declared_in(desired, name), as_json=as_json)
    else:
        _all(desired, as_json=as_json)


def _row(desired: Desired, declared: Declared) -> dict[str, Json]:
    spec = desired.specs[declared.digest]
    pool, queue = lane_of(spec)
    return {
        "deployment": declared.name,
        "version": version_of(desired, declared),
        "source_commit": commit_of(desired, declared),
        "spec_commit": declared.spec_commit,
        "file": declared.file,
        "line": declared.line,
        "paused": bool(spec.get("paused")),
        "pool": pool,
        "queue": queue,
        "schedules": [{k: v for k, v in rule.items() if k != "id"} for rule in spec.get("schedules") or ()],
        "tags": list(spec.get("tags") or ()),
    }


def _one(desired: Desired, declared: Declared, *, as_json: bool) -> None:
    spec = desired.specs[declared.digest]
    row = _row(desired, declared) | {"revision": desired.revision, "source": declared.source.json(), "spec": spec}
    row["problems"] = [p.json() for p in desired.problems if p.file == declared.file]
    if as_json:
        print_json(row)
        return
    fields(
        [
            ("deployment", row["deployment"]),
            ("revision", desired.revision),
            ("version", row["version"]),
            ("source commit", row["source_commit"]),
            ("spec", f"{row['file']}:{row['line']}"),
            ("spec commit", row["spec_commit"]),
            ("paused", "in git" if row["paused"] else None),
            ("schedules", "; ".join(map(_rule, row["schedules"]))),
            ("tags", ", ".join(row["tags"])),
        ]
    )
    spec_text(dict(spec))


def _all(desired: Desired, *, as_json: bool) -> None:
    rows = [_row(desired, desired.deployments[name]) for name in sorted(desired.deployments)]
    problems, notes = told_offline(desired.problems, desired.notes)
    if as_json:
        print_json(
            {
                "revision": desired.revision,
                "deployments": rows,
                "pools": dict(desired.pools),
                "problems": [p.json() for p in problems],
                "notes": [n.json() for n in notes],
            }
        )
        return
    say(f"revision {desired.revision[:8]}: {len(rows)} deployment{'' if len(rows) == 1 else 's'}")
    if rows:
        titles = ("DEPLOYMENT", "VERSION", "SPEC", "PAUSED", "POOL", "SCHEDULES")
        table(titles, [_line(row) for row in rows])
    for name, pool in sorted(desired.pools.items()):
        say(f"work pool {plain(name)}: {plain(pool.get('type'))} ({plain(pool.get('file'))})")
    for problem in problems:
        located("problem", problem)
    for note in notes:
        located("note", note)


def _line(row: dict[str, Json]) -> tuple[object, ...]:
    paused = "paused" if row["paused"] else ""
    return (
        row["deployment"], row["version"], f"{row['file']}:{row['line']}", paused, row["pool"],
        "; ".join(map(_rule, row["schedules"])),
    )  # fmt: skip


def _rule(rule: dict[str, Json]) -> str:
    said = " ".join(f"{key} {compact(rule[key])}" for key in DECIDES if rule.get(key) is not None)
    return said if rule.get("active", True) else f"{said} (inactive)"
