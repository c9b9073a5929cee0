"""`deploy` and `from_source`: write the spec file that a commit deploys, or say how git's differs. Called in scripts.

Nothing here reaches the log, git's index or a daemon: the file lies in the work tree until its author commits it.
"""

import importlib
import os
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from reconciler.engine import intended
from reconciler.engine.intended import Intended
from reconciler.engine.serving import commands, serve
from reconciler.model.errors import ConflictError, InvalidRequestError

SPECS = "specs"
FOR_CI = ("image", "build", "push")
QUIET = ("print_next_steps", "print_next_steps_message", "ignore_warnings")
"""Arguments of Prefect's that only shape what is printed."""
_MOST_FILES = 20_000
_CREDENTIALS = re.compile(r"https?://[^/\s]*@|[A-Za-z][A-Za-z0-9+.-]*://[^/\s@]*:[^/\s]*@")
_REMOTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://|[^/\s]+@[^/\s:]+:")


def deploy(*deployments: Intended, work_pool_name: str | None = None, **given: Any) -> list[Path]:
    """Write the spec files of deployments that have none; the paths written.

    `image`, `build` and `push` are continuous integration's business and have no effect. Raises ConflictError where a
    file that declares something else is in the way.
    """
    for word in given:
        if word not in (*FOR_CI, *QUIET):
            raise TypeError(f"deploy has no argument {word!r}; it takes work_pool_name, {', '.join(FOR_CI)}")
    if told := [word for word in FOR_CI if given.get(word) not in (None, False)]:
        _say(f"{', '.join(told)}: images are made by continuous integration; no effect here")
    chosen = [_with_pool(one, work_pool_name) for one in deployments]
    written = [one for one in chosen if _write(one)]
    if written:
        _say("committing deploys:")
        for line in commands(written):
            _say(line)
    return [one.top / one.file for one in written]


def _with_pool(one: Intended, name: str | None) -> Intended:
    if name is None:
        return one
    pool = {**one.fields.get("work_pool", {}), "name": name}
    return replace(one, fields={**one.fields, "work_pool": pool})


def _write(one: Intended) -> bool:
    """Whether its file was written: not when some spec file declares the deployment already."""
    text = one.yaml()
    found = _declared(one)
    if found is not None:
        where, spec = found
        lines = list(intended.differences(one, spec)) if spec is not None else []
        said = "says otherwise; what is committed there counts:" if lines else "says the same"
        if spec is None:
            said = "declares it, with problems: see `reconciler validate`"
        _say(f"{one.full_name}: {where} {said}")
        for line in lines:
            _say(f"  {line}")
        return False
    path = one.top / one.file
    try:
        path.parent.mkdir(exist_ok=True)
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o666)
    except FileExistsError:
        if path.is_file() and path.read_bytes() == text.encode():
            _say(f"{one.full_name}: {one.file} says the same")
            return False
        raise ConflictError(
            f"{one.file} is there and does not declare {one.full_name}", hint=f"add to it:\n\n{text}"
        ) from None
    with os.fdopen(fd, "w", encoding="utf-8") as file:
        file.write(text)
    _say(f"wrote {one.file}")
    return True


def _declared(one: Intended) -> tuple[str, Mapping[str, Any] | None] | None:
    """`(file:line, its fields)` where the work tree declares the deployment; None where it does not.

    Reading YAML needs the installed package: in a bare interpreter no file is found, and none is overwritten either.
    """
    try:
        parse: Any = importlib.import_module("reconciler.core.parse").parse
    except ImportError:
        return None
    for path in _spec_files(one.top):
        file, data = path.relative_to(one.top).as_posix(), path.read_bytes()
        if one.name.encode() not in data:
            continue
        found = parse(data, file, check_step=lambda _step, _inputs: (), check_schedule=lambda _rule: None)
        for parsed in found.deployments:
            flow = parsed.flow_name or (parsed.entrypoint or "").rpartition(":")[2].replace("_", "-")
            if parsed.name == one.name and (flow == one.flow_name or parsed.entrypoint == one.entrypoint):
                return f"{file}:{parsed.line}", _fields(parsed.spec) if parsed.spec else None
    return None


def _spec_files(top: Path) -> Iterator[Path]:
    own = sorted(path for path in (top / SPECS).rglob("*") if path.suffix in {".yaml", ".yml"})[:_MOST_FILES]
    yield from (path for path in [*own, top / "prefect.yaml"] if path.is_file() and not path.is_symlink())


def _fields(spec: Any) -> dict[str, Any]:
    """A spec as `differences` compares it."""
    seconds: Any = importlib.import_module("reconciler.model.spec").seconds
    rules = [rule.rule() for rule in spec.schedules]
    return {
        **spec.model_dump(mode="json"),
        "schedules": [r | ({"interval": seconds(r["interval"])} if "interval" in r else {}) for r in rules],
        "concurrency_limit": spec.limit,
        "collision_strategy": spec.collision,
    }


# --- flows that lie elsewhere ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SourcedFlow:
    """A flow named by where its source lies; its code is not read here."""

    source: str
    entrypoint: str
    branch: str | None = None

    @property
    def name(self) -> str:
        """The function's name with `_` as `-`; a name given in its decorator is read when it is reconciled."""
        return self.entrypoint.replace(":", ".").rpartition(".")[2].replace("_", "-")

    def to_deployment(self, name: str, **arguments: Any) -> Intended:
        """A deployment whose pull step clones the source; of this repository when the source is a path in it."""
        top, entrypoint, pull = self._where()
        return Intended(self.name, name, entrypoint, top, {**intended.fields(arguments), **pull})

    def deploy(self, name: str, work_pool_name: str | None = None, **given: Any) -> Path | None:
        """As `flow.deploy`."""
        return one(self, name, work_pool_name, given)

    def serve(self, name: str | None = None, *, limit: int | None = None, **arguments: Any) -> None:
        """As `flow.serve`."""
        own = {k: arguments.pop(k) for k in ("pause_on_shutdown", "print_starting_message") if k in arguments}
        serve(self.to_deployment(name or self.name, **arguments), limit=limit, **own)

    def _where(self) -> tuple[Path, str, dict[str, Any]]:
        here = Path.cwd()
        if _REMOTE.match(self.source):
            top = intended.work_tree(here)
            if top is None:
                raise InvalidRequestError(f"{here} is in no git repository", hint="run this where your specs lie")
            step = {"repository": self.source} | ({"branch": self.branch} if self.branch else {})
            return top, self.entrypoint, {"pull": [{"git_clone": step}]}
        folder = Path(os.path.realpath(self.source))
        top = intended.work_tree(folder)
        if top is None:
            raise InvalidRequestError(f"{folder} is in no git repository", hint="a deployment runs what git has")
        return top, (folder.relative_to(top) / self.entrypoint).as_posix(), {}


def from_source(source: str | Path, entrypoint: str, *, branch: str | None = None) -> SourcedFlow:
    """A flow in another repository (a URL) or in a folder of this one. Raises InvalidRequestError."""
    text = os.fspath(source)
    if not isinstance(text, str) or not text or _CREDENTIALS.match(text):
        raise InvalidRequestError(
            "the source's address may not hold a user name or password",
            hint="a spec file is committed: let the daemon's git credentials fetch it",
        )
    if ":" not in entrypoint and "." not in entrypoint:
        raise InvalidRequestError(f"{entrypoint!r} is no entrypoint", hint="write path/to/file.py:function")
    return SourcedFlow(text, entrypoint, branch)


def one(flow: Any, name: str, work_pool_name: str | None, given: Mapping[str, Any]) -> Path | None:
    """Deploy one flow under a name; the path written, None when a spec file declares it already."""
    apart = {key: value for key, value in given.items() if key in (*FOR_CI, *QUIET)}
    arguments = {key: value for key, value in given.items() if key not in apart}
    written = deploy(flow.to_deployment(name, **arguments), work_pool_name=work_pool_name, **apart)
    return written[0] if written else None


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
