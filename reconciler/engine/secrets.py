"""The secrets of a run: found, held, put in. Called by engine/child.py for runs whose order refers to any.

Of a name, the first of these wins: the daemon's environment (RECONCILER_SECRET_NAME), the operator's folders and files
in their order, the encrypted files of the repository. Only names that the order mentions are looked for. The order's
`secrets` holds `places`, `encrypted` (files in the attempt's folder of encrypted files) and `refused` (names that this
run may not have). Values are in no file, argument or environment, but where the deployment puts one into `env` itself.
"""

import importlib
import os
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from reconciler.core import references
from reconciler.core.redaction import LEAST, Redactor
from reconciler.core.template import KEEP, MissingValueError, TemplateError, fill
from reconciler.engine import vault as vaults
from reconciler.engine.order import Order
from reconciler.engine.vault import ENCRYPTED
from reconciler.model.errors import StepError

MOST = 64 * 1024
"""Bytes of the longest secret."""
_FILE_MOST = 1024 * 1024
_LONGEST = 1000
"""Characters of the reason that is told for one secret."""


@dataclass(slots=True)
class Held:
    """The secrets that a run refers to, and why the others are not there."""

    values: dict[str, str] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    needed: frozenset[str] = frozenset()
    """Those without a fallback."""
    redactor: Redactor = field(init=False)

    def __post_init__(self) -> None:
        """What is to be replaced."""
        self.redactor = Redactor(self.values.values())

    def state(self) -> dict[str, Any]:
        """All of it, for another interpreter of the same process."""
        return {"values": self.values, "missing": self.missing, "needed": sorted(self.needed)}

    @classmethod
    def load(cls, state: Mapping[str, Any]) -> "Held":
        """The inverse of `state`."""
        return cls(dict(state["values"]), dict(state["missing"]), frozenset(state["needed"]))

    def look_up(self, name: str) -> Any:
        """The secret that a placeholder names, KEEP for any other. Raises MissingValueError."""
        if not references.is_reference(name):
            return KEEP
        own = name.removeprefix(references.PREFIX)
        if own not in self.values:
            raise MissingValueError(name)
        return self.values[own]

    def fill(self, value: Any) -> Any:
        """The value with secrets put in. Raises MissingValueError and TemplateError."""
        return fill(value, self.look_up)

    def refer(self, value: Any) -> Any:
        """The value with references in the place of secrets."""
        if isinstance(value, str):
            for name, secret in sorted(self.values.items(), key=lambda item: -len(item[1])):
                value = value.replace(secret, f"{{{{ secret.{name} }}}}")
            return value
        if isinstance(value, dict):
            return {key: self.refer(item) for key, item in value.items()}
        return [self.refer(item) for item in value] if isinstance(value, (list, tuple)) else value

    def environment(self, declared: Mapping[str, str | None]) -> dict[str, str | None]:
        """The variables with secrets put in; one that lacks its own is left out: `check` fails the run for it."""
        found: dict[str, str | None] = {}
        for name, value in declared.items():
            try:
                filled = self.fill(value)
            except MissingValueError:
                continue
            except TemplateError as error:
                where = f"of job variable env.{name}"
                self.missing[where], self.needed = f"cannot be put in: {error}", self.needed | {where}
                continue
            found[name] = None if filled is None else str(filled)
        return found

    def check(self) -> None:
        """Raises StepError when a secret that is needed is not there, naming where it was looked for."""
        lacking = [f"secret {name} {why}" for name, why in self.missing.items() if name in self.needed]
        if lacking:
            raise StepError("; ".join(lacking))


def find(todo: Order, run_dir: Path, vault: Mapping[str, Any] | None) -> Held:
    """The secrets that an order refers to; `vault` is what the daemon's environment holds. Never raises."""
    wanted = references.of_run(todo.pull, todo.parameters, todo.env)
    given, given_at = todo.secrets or {}, todo.places
    sources = list(_sources(given, run_dir, vault or {}))
    values: dict[str, str] = {}
    missing: dict[str, str] = {}
    for name in wanted:
        if name in given.get("refused", ()):
            missing[name] = "is not for previews: the setting preview_secrets does not list it"
            continue
        value, why = _first(name, sources)
        if value is None and len(sources) == 1:
            why += "; the setting `secrets` names folders and files that hold more"
        if value is None:
            place = given_at.get(f"{references.PREFIX}{name}")
            missing[name] = f"({place}) {why}" if place else why
        elif fault := unfit(value):
            missing[name] = fault
        else:
            values[name] = value
    return Held(values, missing, frozenset(name for name, needed in wanted.items() if needed))


def unfit(value: str) -> str | None:
    """Why a value cannot be used as a secret."""
    if len(value.strip()) < LEAST:
        return f"has fewer than {LEAST} characters: it could not be told from other text, and so not be kept out of it"
    if len(value.encode("utf-8", "surrogatepass")) > MOST:
        return f"has more than {MOST} bytes"
    return "holds a NUL character" if "\0" in value else None


def where(name: str, places: Sequence[str]) -> str | None:
    """What gives a name to the runs of this process, the daemon: told to people, without the value."""
    held = vaults.contents(os.environ)
    for said, source in _labelled(places, held):
        try:
            fault = unfit(source(name))
        except _AbsentError:
            continue
        return f"{said}: {fault}" if fault else said
    return None


Source = Callable[[str], str]
"""The value of a name. Raises _AbsentError, saying where it was looked for."""


class _AbsentError(LookupError):
    """It is not there; the message says where, and why not."""


def _first(name: str, sources: list[Source]) -> tuple[str | None, str]:
    looked: list[str] = []
    for source in sources:
        try:
            return source(name), ""
        except _AbsentError as error:
            looked.append(str(error))
    return None, f"is nowhere: not in {', nor in '.join(looked)}"[:_LONGEST]


def _labelled(places: Sequence[str], vault: Mapping[str, Any]) -> Iterator[tuple[str, Source]]:
    yield "environment", partial(_from_environment, vault.get("secrets") or {})
    for place in places:
        yield place, partial(_from_folder if os.path.isdir(place) else _from_file, Path(place))  # noqa: PTH112


def _sources(given: Mapping[str, Any], run_dir: Path, vault: Mapping[str, Any]) -> Iterator[Source]:
    yield from (source for _, source in _labelled(given.get("places", ()), vault))
    if given.get("encrypted"):
        # Loaded by those that need it: it starts processes.
        sops = importlib.import_module("reconciler.engine.sops")
        files = [run_dir / ENCRYPTED / name for name in given["encrypted"]]
        yield partial(_from_encrypted, sops.Encrypted(files, vault.get("keys") or {}))


def variable(name: str) -> tuple[str, ...]:
    """What a secret is called in an environment: as it is written, then as shells can set it."""
    return tuple(dict.fromkeys((name, name.upper().replace("-", "_").replace(".", "_"))))


def _from_environment(secrets: Mapping[str, str], name: str) -> str:
    for each in variable(name):
        if each in secrets:
            return secrets[each]
    raise _AbsentError(f"the daemon's environment (RECONCILER_SECRET_{variable(name)[-1]})")


def _from_folder(folder: Path, name: str) -> str:
    """The file of that name, which may be a link, as Kubernetes mounts them; one newline at its end is no part."""
    text = _read(folder / name, MOST + 2)
    return text.removesuffix("\n").removesuffix("\r")


def _from_file(file: Path, name: str) -> str:
    found = values_of(_read(file, _FILE_MOST))
    if name not in found:
        raise _AbsentError(str(file))
    return found[name]


def _from_encrypted(encrypted: Any, name: str) -> str:
    value, why = encrypted.value(name)
    if value is None:
        raise _AbsentError(why)
    return str(value)


def values_of(text: str) -> dict[str, str]:
    """`NAME=value` lines, the first of a name wins; `#` and `;` begin a comment, quotes around a value are no part."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        name, equals, value = line.strip().removeprefix("export ").partition("=")
        if equals and line.strip()[0] not in "#;":
            value = value.strip()
            quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
            found.setdefault(name.strip(), value[1:-1] if quoted else value)
    return found


def _read(path: Path, most: int) -> str:
    """The text of a regular file. Raises _AbsentError."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise _AbsentError(f"{path} (not a regular file)")
            data = b""
            while len(data) < most and (more := os.read(fd, most - len(data))):
                data += more
            return data.decode()
        finally:
            os.close(fd)
    except FileNotFoundError:
        raise _AbsentError(str(path)) from None
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise _AbsentError(f"{path} ({why})") from None
