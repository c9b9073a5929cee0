"""Write the branch with the git revert that makes a quarantine permanent: a commit to review as a pull request."""

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import click

from reconciler.cli import _clock, _history, _log, _scope
from reconciler.cli._place import Place, settings_of
from reconciler.cli._plan_words import counts
from reconciler.cli._planning import Planner
from reconciler.cli._print import plain, print_json, progress, say
from reconciler.cli._scope import Scope
from reconciler.cli._tip import tip
from reconciler.core.versions import Version, declared, find
from reconciler.daemon.config import environment
from reconciler.git import history, revert
from reconciler.git.repository import Repository
from reconciler.model.errors import ConflictError, InvalidRequestError, NotFoundError, SourceUnavailableError
from reconciler.model.plan import Json
from reconciler.model.state import Observed
from reconciler.stores import Log

MOST = 10
"""Files or commits that are listed; the commit's message names all commits up to `MOST_NAMED`."""
MOST_NAMED = 200


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What is to be written."""

    name: str
    version: Version
    scope: Scope
    specs: tuple[str, ...]
    """Its spec file, as it was then and as it is called now."""
    head: str
    tracked: str
    because: str


@click.command("revert")
@click.argument("name")
@click.option("--version", "version", metavar="V", help="Default: the version at which it is quarantined.")
@click.option("--branch", "branch", metavar="NAME", help="Default: reconciler/revert-NAME-COMMIT.")
@click.option("--path", "paths", multiple=True, metavar="PATH", help="Only this file or directory, and the spec file.")
@click.option("--whole", is_flag=True, help="All files, for a deployment whose source is the whole repository.")
@click.option("--json", "as_json", is_flag=True, help="A JSON object.")
@click.pass_obj
def command(obj: dict[str, Any], /, name: str, version: str | None, *, as_json: bool, **how: Any) -> None:
    """Write the branch that makes a quarantine permanent; nothing but that branch is touched.

    From the tracked branch's head, one commit: the files that the held version was made from (its directories and its
    spec file) are again as they were. Where the source is the whole repository, say which: --path, or --whole.

    \b
    JSON: {branch, commit, base, version, reverts: [{commit, subject}], files: [{path, change}], plan, restores_spec}
    """
    place = Place.of(obj)
    with _log.reading(place) as log, progress("reading the history"):
        wanted = _wanted(place, log, name, version)
    planner = Planner(place, settings_of(place, {}))
    with planner.repo as repo:
        told = _written(planner, repo, wanted, **how)
    if as_json:
        print_json(told)
    else:
        _say(told, wanted)


def _wanted(place: Place, log: Log, name: str, given: str | None) -> _Wanted:
    """Raises NotFoundError, ConflictError, SourceUnavailableError."""
    found, observed = _history.versions(log, name), _log.observed(log)
    live = observed.deployments.get(name)
    held = live.quarantine if live else None
    if given is not None:
        version = find(name, found, given)
    elif held is not None:
        version = [each for each in found if each.what == "quarantined"][-1]
    else:
        raise ConflictError(
            f"{name} is not quarantined: which version is to come back?",
            hint=f"reconciler revert {name} --version V; `reconciler history {name}` lists them",
        )
    head = tip(place.repo, observed)
    if head is None:
        raise SourceUnavailableError("the tracked branch cannot be read")
    version = declared(found, version)
    now = [each for each in found if each.what != "quarantined"][-1]
    scope = _scope.of(version)
    specs = tuple(dict.fromkeys((str(version.fields["file"]), str(now.fields["file"]))))
    because = f"Quarantined by {held.who}: {held.reason}" if held and given is None else ""
    return _Wanted(name, version, scope, specs, head, _branch(observed), because)


def _branch(observed: Observed) -> str:
    return f"{observed.remote}/{observed.branch}" if observed.remote else str(observed.branch)


def _written(
    planner: Planner, repo: Repository, wanted: _Wanted, *, branch: str | None, paths: tuple[str, ...], whole: bool
) -> dict[str, Json]:
    good = wanted.scope.commit
    if good is None or not repo.has(good):
        raise ConflictError(f"the commit of version {wanted.version.name} is not in the repository")
    then, now = repo.links(good)[0], repo.links(wanted.head)[0]
    chosen = _chosen(repo, wanted, (now, then), paths, whole=whole)
    top = revert.restored(repo, now, then, chosen)
    files = list(_scope.differing(repo, now, top, (".",)))
    if not files:
        where = f"; its code lies elsewhere: {wanted.scope.elsewhere}" if wanted.scope.elsewhere else ""
        raise ConflictError(
            f"nothing to revert: on {wanted.tracked} {', '.join(chosen)} is as it was at {wanted.version.name}{where}"
        )
    commits = history.moving(repo, good, wanted.head, chosen)
    name = branch or _name(wanted)
    revert.check(name)
    made = repo.branch(name)
    if made is None or repo.links(made) != (top, (wanted.head,)):  # else it was asked before, and is there
        made = _commit(repo, wanted, top, commits)
        revert.branch(repo, name, made)
    plan = planner.between(wanted.head, made, _clock.now()).plan
    again = planner.at(made).deployments.get(wanted.name)
    return {
        "branch": name,
        "commit": made,
        "base": wanted.head,
        "version": wanted.version.name,
        "reverts": [{"commit": each, "subject": repo.commit(each).subject} for each in commits],
        "files": [{"path": path, "change": change} for change, path in files],
        "plan": counts(plan),
        "restores_spec": again is not None and again.digest == wanted.version.spec,
    }


def _chosen(
    repo: Repository, wanted: _Wanted, trees: tuple[str, str], paths: tuple[str, ...], *, whole: bool
) -> tuple[str, ...]:
    """The paths that go back. Raises InvalidRequestError where that is to be said first."""
    if paths and not whole:
        cleaned = tuple(path.strip("/") for path in paths)
        unknown = [path for path in cleaned if not any(_scope.differing(repo, *trees, (path,)))]
        if unknown:
            raise NotFoundError(
                f"nothing differs at {unknown[0]!r} since {wanted.version.name}", hint=_differ(repo, wanted, trees)
            )
        return tuple(dict.fromkeys((*cleaned, *wanted.specs)))
    if "." in wanted.scope.paths and not whole:
        raise InvalidRequestError(
            f"{wanted.name} takes the whole repository: say what is to go back to {wanted.version.name}",
            hint=f"--path PATH (the spec file goes with it), or --whole; {_differ(repo, wanted, trees)}",
        )
    if whole and not wanted.scope.elsewhere:
        return (".",)
    return tuple(dict.fromkeys((*wanted.scope.paths, *wanted.specs)))


def _differ(repo: Repository, wanted: _Wanted, trees: tuple[str, str]) -> str:
    files = [path for _, path in _scope.differing(repo, *trees, (".",))]
    more = f" and {len(files) - MOST} more" if len(files) > MOST else ""
    return f"what differs from {wanted.tracked}: {', '.join(files[:MOST])}{more}" if files else "nothing differs"


def _name(wanted: _Wanted) -> str:
    slug = re.sub(r"[^A-Za-z0-9]+", "-", wanted.name).strip("-").lower() or "deployment"
    return f"reconciler/revert-{slug}-{(wanted.scope.commit or '')[:8]}"


def _commit(repo: Repository, wanted: _Wanted, top: str, commits: Sequence[str]) -> str:
    who = revert.person(repo, environment("GIT_COMMITTER_NAME"), environment("GIT_COMMITTER_EMAIL"))
    lines = [f"Revert {wanted.name} to {wanted.version.name}", ""]
    if wanted.because:
        lines += [wanted.because, ""]
    if commits:
        lines.append("This reverts commits, as far as they touched these paths:")
        lines += [f"  {name} {repo.commit(name).subject}" for name in commits[:MOST_NAMED]]
        lines += [f"  and {len(commits) - MOST_NAMED} more"] * (len(commits) > MOST_NAMED)
    return revert.commit(repo, top, wanted.head, who=who, at=_clock.now(), message="\n".join(lines))


def _say(told: dict[str, Json], wanted: _Wanted) -> None:
    say(f"branch {plain(told['branch'])}: {told['commit'][:8]} on {plain(wanted.tracked)} {told['base'][:8]}")
    for each in told["reverts"][:MOST]:
        say(f"    reverts {each['commit'][:8]} {plain(each['subject'])}")
    for each in told["files"][:MOST]:
        say(f"    {each['change']} {plain(each['path'])}")
    for what, key in (("commits", "reverts"), ("files", "files")):
        if len(told[key]) > MOST:
            say(f"    … {len(told[key])} {what} in all")
    say(f"as a plan: {told['plan']}  (reconciler plan {told['base'][:8]}..{told['commit'][:8]})")
    if not told["restores_spec"]:
        say(f"the effective spec is not yet that of {plain(wanted.version.name)}: it depends on files beside these")
    if wanted.scope.elsewhere:
        say(f"its code lies elsewhere ({plain(wanted.scope.elsewhere)}): revert it there too")
    say(f"git push -u origin {plain(told['branch'])}   then open a pull request into {plain(wanted.tracked)}")
    if wanted.because:
        say(f"when it is merged: reconciler release {shlex.quote(wanted.name)} --reason 'reverted'")
