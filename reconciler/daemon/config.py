"""The operator's settings: flags, then `RECONCILER_*`, then `config.toml` in the state directory. Called by the CLI.

The only reader of the environment. Nothing here is ever read from the tracked repository, where a pull request could
switch off a guard.
"""

import os
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import date, datetime, time
from math import isfinite
from pathlib import Path
from typing import Any

from reconciler.core.branch_patterns import misread
from reconciler.core.retention import Keep
from reconciler.engine.vault import SECRET
from reconciler.model.errors import AccessError, InvalidRequestError
from reconciler.model.names import name_fault

MIB = 1024 * 1024
DAY = 86_400.0


def _setting(default: Any, text: str) -> Any:
    if isinstance(default, dict):
        return field(default_factory=dict, metadata={"help": text})
    return field(default=default, metadata={"help": text})


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything an operator can set; the field's name is the key in `config.toml`, and upper-cased after
    `RECONCILER_` the variable's name.
    """

    branch: str | None = _setting(None, "branch to track; default: the one HEAD named at first start")
    remote: str | None = _setting(None, "remote to fetch and track instead of the local branch")
    interval: float = _setting(30.0, "seconds between fetches of the remote")
    specs: str = _setting("specs", "directory of spec files in the repository")
    env: str | None = _setting(None, "environment: the overlay env/NAME.yaml in the directory of spec files")
    variables: Mapping[str, Any] = _setting({}, "values for `{{ name }}` in specs, over those of overlay and file")
    secrets: tuple[str, ...] = _setting((), "folders of one file a secret, and files of NAME=value lines")
    preview: tuple[str, ...] = _setting((), "patterns of branches to deploy as previews, such as feature/*")
    preview_ttl: float = _setting(7 * DAY, "how long a preview stays after its branch last moved")
    preview_secrets: tuple[str, ...] = _setting((), "names of secrets that previews may have")
    notes: bool = _setting(False, "write run results to git notes under refs/notes/reconciler")  # noqa: FBT003
    prune_limit: float = _setting(0.5, "share of deployments a revision may prune without being confirmed, 0 to 1")
    on_rewind: str = _setting("accept", "accept or refuse a branch that moves back or aside")
    limit: int = _setting(8 * (os.cpu_count() or 1), "runs at once on this host")
    allow_hosts: tuple[str, ...] = _setting((), "other git hosts that specs may name, beside the remotes' own")
    pass_env: tuple[str, ...] = _setting((), "more environment variables that runs may see")
    output_mib: int = _setting(64, "output kept of one run, in MiB; past it the middle is cut")
    cancel_grace: float = _setting(30.0, "seconds between SIGTERM and SIGKILL of a cancelled run")
    copies_mib: int = _setting(2048, "working copies prepared ahead, in MiB")
    keep_output: float = _setting(30 * DAY, "how long the output of a run that is over is kept")
    keep_output_mib: int = _setting(10_240, "output kept of all runs that are over, in MiB; the oldest goes first")
    keep_payloads: float = _setting(365 * DAY, "how long parameters, results, errors and old specs are kept")
    keep_environments: float = _setting(30 * DAY, "how long an environment that no run uses is kept")
    keep_environments_mib: int = _setting(10_240, "environments kept that no run uses, in MiB")
    allow_network_fs: bool = _setting(False, "keep state on a network file system all the same")  # noqa: FBT003
    allow_owner: bool = _setting(False, "serve a repository that another user owns")  # noqa: FBT003


CHOICES = {"on_rewind": ("accept", "refuse")}


def load(state_dir: Path, flags: Mapping[str, Any]) -> Settings:
    """Settings of a state directory; `flags` wins where it is not None. Raises InvalidRequestError naming the place."""
    settings = Settings()
    for where, values in (
        (str(state_dir / "config.toml"), _from_file(state_dir / "config.toml")),
        ("the environment", _from_environment()),
        ("the command line", {k: v for k, v in flags.items() if v is not None}),
    ):
        settings = _lay(settings, values, where)
    return settings


def environment(name: str) -> str | None:
    """One variable of the daemon's or the command's environment."""
    return os.environ.get(name)


def kept(settings: Settings) -> Keep:
    """What retention keeps, as set."""
    return Keep(
        settings.keep_output,
        settings.keep_output_mib * MIB,
        settings.keep_payloads,
        settings.keep_environments,
        settings.keep_environments_mib * MIB,
    )


def passed_on(names: tuple[str, ...]) -> dict[str, str]:
    """The variables among `names` that are set here, to hand to a run; secrets go by reference only."""
    return {name: os.environ[name] for name in names if name in os.environ and not name.startswith(SECRET)}


def _from_file(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except PermissionError:
        raise AccessError(f"this user may not read {path}", hint="run this as the user that runs the daemon") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InvalidRequestError(f"{path}: {error}", hint="mend the file or remove it") from None


def _from_environment() -> dict[str, str]:
    known = {f"RECONCILER_{f.name.upper()}": f.name for f in fields(Settings)}
    return {known[name]: value for name, value in os.environ.items() if name in known}


def _lay(settings: Settings, values: Mapping[str, Any], where: str) -> Settings:
    known = {f.name: f for f in fields(Settings)}
    for key, value in values.items():
        if key not in known:
            raise InvalidRequestError(f"{where}: unknown setting {key!r}", hint=f"known: {', '.join(known)}")
        fitted = _fit(key, getattr(Settings(), key), value, where)
        if key == "variables":
            fitted = {**settings.variables, **fitted}
        settings = replace(settings, **{key: fitted})
    return settings


def _fit(key: str, like: Any, value: Any, where: str) -> Any:
    try:
        fitted = _convert(like, value)
    except (KeyError, TypeError, ValueError):
        raise InvalidRequestError(f"{where}: {key} cannot be {_shown(value)}", hint=_form(key, like)) from None
    if key == "env" and fitted and (fault := name_fault(fitted)):
        raise InvalidRequestError(f"{where}: the name of an environment {fault}, not {value!r}")
    if key in CHOICES and fitted not in CHOICES[key]:
        raise InvalidRequestError(f"{where}: {key} cannot be {value!r}", hint=f"choose {' or '.join(CHOICES[key])}")
    if key == "prune_limit" and not 0 <= fitted <= 1:
        raise InvalidRequestError(f"{where}: prune_limit is a share from 0 to 1, not {value!r}")
    wrong = [why for pattern in fitted if (why := misread(pattern))] if key == "preview" else []
    if wrong:
        raise InvalidRequestError(f"{where}: preview cannot be {_shown(value)}", hint=wrong[0])
    if isinstance(fitted, int | float) and not isinstance(fitted, bool) and key != "prune_limit" and fitted <= 0:
        raise InvalidRequestError(f"{where}: {key} must be more than 0, not {value!r}")
    return fitted


def _shown(value: Any) -> str:
    """A value as it was given, the words of an option that may be repeated one by one."""
    return ", ".join(map(repr, value)) if isinstance(value, tuple) else repr(value)


def _form(key: str, like: Any) -> str:
    """How a setting is written."""
    if key == "variables":
        return "write NAME=VALUE, or in config.toml a table [variables]"
    if isinstance(like, bool):
        return "write true or false"
    if isinstance(like, int):
        return "write a whole number"
    if isinstance(like, float):
        return "write a share such as 0.5" if key == "prune_limit" else "write a time such as 30s, 5m, 2h or 7d"
    return "write a list of texts" if isinstance(like, tuple) else "write a text"


def _convert(like: Any, value: Any) -> Any:
    if isinstance(like, bool):
        if isinstance(value, str):
            return {"true": True, "1": True, "false": False, "0": False}[value.lower()] if value else False
        return bool(value)
    if isinstance(like, dict):
        return {key: _plain(item) for key, item in value.items()} if isinstance(value, dict) else _pairs(value)
    if isinstance(like, tuple):
        return tuple(value.replace(",", " ").split()) if isinstance(value, str) else tuple(map(str, value))
    if like is None or isinstance(like, str):
        if not isinstance(value, str):
            raise TypeError
        return value
    return seconds(value) if isinstance(like, float) else int(value)


def _pairs(value: str | Iterable[str]) -> dict[str, str]:
    """Variables from `region=eu,team=data`, or one `name=value` each. Raises ValueError."""
    each = [word.strip() for word in value.split(",") if word.strip()] if isinstance(value, str) else value
    found = [word.partition("=") for word in each]
    if not all(equals and name.strip() for name, equals, _ in found):
        raise ValueError
    return {name.strip(): text for name, _, text in found}


def _plain(value: Any) -> Any:
    """A value of TOML as JSON: dates and times as text. Raises ValueError for what is no number."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not isfinite(value):
        raise ValueError
    return value.isoformat() if isinstance(value, date | datetime | time) else value


def seconds(value: Any) -> float:
    """Seconds from a number or `30s`, `5m`, `2h`, `30d`, `500ms`. Raises ValueError."""
    if not isinstance(value, str):
        return float(value)
    for unit, factor in (("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3600.0), ("d", DAY)):
        if value.endswith(unit):
            return float(value.removesuffix(unit)) * factor
    return float(value)
