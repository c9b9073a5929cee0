"""Show the versions that a deployment had: commit, author, what changed, and how the runs of each ended."""

from collections.abc import Sequence
from typing import Any

import click

from reconciler.cli._history import changes, described, ended, versions
from reconciler.cli._log import reading
from reconciler.cli._place import Place
from reconciler.cli._plan_text import changed
from reconciler.cli._print import plain, print_json, progress, say, table, when
from reconciler.core.versions import Version
from reconciler.model.plan import FieldDiff, Json
from reconciler.stores import Log


@click.command("history")
@click.argument("name")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="How many versions at most.")
@click.option("--diff", "fields", is_flag=True, help="With every changed field, from → to.")
@click.option("--json", "as_json", is_flag=True, help="A JSON list.")
@click.pass_obj
def command(obj: dict[str, Any], name: str, limit: int, *, fields: bool, as_json: bool) -> None:
    """Show the versions that a deployment had, newest first; a pruned one keeps its history.

    \b
    JSON: a list of {version, source_commit, spec_commit, generation, revision, at, what, applied, reason, changed,
    author, committed_at, subject, runs, live, completed, success_rate, diff: null | [{field, from, to}]}; what is
    created, updated, moved, quarantined, released or pruned; applied is false for what git said while another version
    was held; runs are all that this generation at this commit made; diff is null where a spec was purged.
    """
    place = Place.of(obj)
    with reading(place) as log, progress("reading the history"):
        found = versions(log, name)
        rows = described(place, log, name, found[::-1][:limit])
        if fields or as_json:
            for row, told in zip(rows, _diffs(log, found, len(rows)), strict=True):
                row["diff"] = told
    if as_json:
        print_json(rows)
    elif fields:
        for row in rows:
            _long(row)
    else:
        titles = ("AT", "VERSION", "COMMIT", "GEN", "WHAT", "SUCCEEDED", "AUTHOR", "SUBJECT", "CHANGED")
        table(titles, [_line(row) for row in rows])


def _diffs(log: Log, found: Sequence[Version], count: int) -> list[Json]:
    """The changed fields of the newest versions, newest first."""
    told: list[Json] = []
    for place in range(len(found) - 1, len(found) - 1 - count, -1):
        version, before = found[place], _before(found, place)
        if before is None or version.what == "pruned":
            told.append([])
            continue
        diff = changes(log, before, version)
        told.append(None if diff is None else [d.json() for d in diff])
    return told


def _before(found: Sequence[Version], place: int) -> Version | None:
    """What a version came after: what was live for one that is held or released, else what git said before."""
    version = found[place]
    for earlier in reversed(found[:place]):
        if earlier.what == "pruned":
            return None
        if earlier.applied if version.what in {"quarantined", "released"} else earlier.what != "quarantined":
            return earlier
    return None


def _what(row: dict[str, Json]) -> str:
    return str(row["what"]) if row["applied"] else f"{row['what']} (not applied)"


def _line(row: dict[str, Json]) -> tuple[object, ...]:
    commit, changed = (row["source_commit"] or "")[:8], ", ".join(row["changed"]) or row["reason"]
    return (
        when(row["at"]), row["version"], commit, row["generation"], _what(row), ended(row), row["author"],
        row["subject"], changed,
    )  # fmt: skip


def _long(row: dict[str, Json]) -> None:
    """A version in a paragraph of its own."""
    commit = f"  commit {row['source_commit'][:8]}" if row["source_commit"] else ""
    say(f"{when(row['at'])}  {plain(row['version'])}  {_what(row)}, generation {row['generation']}{commit}")
    if row["subject"]:
        say(f"    {plain(row['author'])}, {when(row['committed_at'])}: {plain(row['subject'])}")
    if row["reason"]:
        say(f"    {plain(row['reason'])}")
    if row["runs"]:
        say(f"    runs that succeeded: {ended(row)}")
    if row["diff"] is None:
        say("    the fields are not known any more: a spec was purged")
    changed(FieldDiff(each["field"], each["from"], each["to"]) for each in row["diff"] or ())
