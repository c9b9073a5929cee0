"""Compare two versions of a deployment: fields, parameters, commits, files, and how the runs of each ended."""

from typing import Any

import click

from reconciler.cli import _history, _log, _scope
from reconciler.cli._place import Place
from reconciler.cli._plan_text import changed
from reconciler.cli._print import plain, print_json, progress, say, word
from reconciler.core.versions import Version, declared, find
from reconciler.git import history
from reconciler.git.repository import Repository
from reconciler.model.errors import ConflictError, ReconcilerError
from reconciler.model.plan import FieldDiff, Json

MOST = 20
"""Commits or files that a person is shown; JSON has all."""


@click.command("diff")
@click.argument("name")
@click.argument("before", metavar="V1")
@click.argument("after", metavar="[V2]", required=False)
@click.option("--json", "as_json", is_flag=True, help="A JSON object.")
@click.pass_obj
def command(obj: dict[str, Any], name: str, before: str, after: str | None, *, as_json: bool) -> None:
    """Compare version V1 of a deployment with V2 (default: the one that is applied); no daemon is needed.

    A version is a label, the beginning of a source commit, gen:N or gen:N@COMMIT, as `history` shows them.

    \b
    JSON: {deployment, before, after, diff: null | [{field, from, to}], commits: null | [{commit, author, committed_at,
    subject}], taken_back: the same, files: null | [{path, change}], elsewhere: null | where its code lies when that is
    not the tracked branch: then commits and files are those of its spec}; before and after are {version, generation,
    source_commit, spec_commit, runs, live, completed, success_rate}; diff is null where a spec was purged, commits and
    files where a commit is not in this repository; change is A, M or D.
    """
    place = Place.of(obj)
    with _log.reading(place) as log, progress("reading the history"):
        found = _history.versions(log, name)
        one = find(name, found, before)
        other = find(name, found, after) if after is not None else _applied(name, found)
        fields, runs = _history.changes(log, one, other), log.versions(name)
    told: dict[str, Json] = {
        "deployment": name,
        "before": _side(one, runs),
        "after": _side(other, runs),
        "diff": None if fields is None else [f.json() for f in fields],
        **_source(place, declared(found, one), declared(found, other)),
    }
    if as_json:
        print_json(told)
    else:
        _say(told, fields)


def _applied(name: str, found: list[Version]) -> Version:
    """The version that counts now, or counted last. Raises ConflictError."""
    for version in reversed(found):
        if version.applied and version.what != "pruned":
            return version
    raise ConflictError(f"{name} has no version yet")


def _side(version: Version, runs: _history.Runs) -> dict[str, Json]:
    return {
        "version": version.name,
        "generation": version.generation,
        "source_commit": version.commit,
        "spec_commit": version.spec_commit,
        **_history.Ends.of(version, runs).json(),
    }


def _source(place: Place, one: Version, other: Version) -> dict[str, Json]:
    """Commits and files between two versions, of the paths that either is made from."""
    mine, theirs = _scope.of(one), _scope.of(other)
    places = {"elsewhere": mine.elsewhere or theirs.elsewhere or None}
    unknown: dict[str, Json] = {**places, "commits": None, "taken_back": None, "files": None}
    if not mine.commit or not theirs.commit:
        return unknown
    paths = tuple(dict.fromkeys((*mine.paths, *theirs.paths)))
    try:
        with Repository.open(place.repo, trust_owner=True) as repo:
            trees = repo.links(mine.commit)[0], repo.links(theirs.commit)[0]
            return {
                **places,
                "commits": _commits(repo, mine.commit, theirs.commit, paths),
                "taken_back": _commits(repo, theirs.commit, mine.commit, paths),
                "files": [{"path": path, "change": how} for how, path in _scope.differing(repo, *trees, paths)],
            }
    except ReconcilerError:
        return unknown


def _commits(repo: Repository, before: str, after: str, paths: tuple[str, ...]) -> list[Json]:
    return [{"commit": n, **_history.authored(repo, n)} for n in history.moving(repo, before, after, paths)]


def _say(told: dict[str, Json], fields: tuple[FieldDiff, ...] | None) -> None:
    for what in ("before", "after"):
        side = told[what]
        commit = f", commit {side['source_commit'][:8]}" if side["source_commit"] else ""
        ended = _history.ended(side)
        say(
            f"{what:<7}{plain(side['version'])}  generation {side['generation']}{commit}"
            + (f"; runs that succeeded: {ended}" if ended else "; no runs")
        )
    if fields is None:
        say("the fields are not known any more: a spec was purged")
    changed(fields or ())
    if told["elsewhere"]:
        moved = " → ".join((told[side]["source_commit"] or "none")[:8] for side in ("before", "after"))
        say(f"    its code lies elsewhere ({plain(told['elsewhere'])}): {moved}")
    if told["commits"] is None:
        say("its commits are not in this repository")
        return
    _listed("", told["commits"])
    _listed(f"{word('taken back')} ", told["taken_back"])
    for each in told["files"][:MOST]:
        say(f"    {each['change']} {plain(each['path'])}")
    if len(told["files"]) > MOST:
        say(f"    … {len(told['files'])} files in all")
    if not (fields or told["commits"] or told["taken_back"] or told["files"]):
        say("nothing differs")


def _listed(what: str, commits: list[dict[str, Json]]) -> None:
    for each in commits[:MOST]:
        day = (each["committed_at"] or "")[:10]
        say(f"    {what}{each['commit'][:8]} {day} {plain(each['author'])}: {plain(each['subject'])}")
    if len(commits) > MOST:
        say(f"    … {len(commits)} commits in all")
