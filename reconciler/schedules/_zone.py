"""The name of a timezone to the zone, and nothing but names of the tz database. Called by every kind of schedule."""

import difflib
import re
from collections.abc import Mapping
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from reconciler.model.plan import Json
from reconciler.schedules import ScheduleError, quoted

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*", re.ASCII)
_LONGEST = 64
# Files beside the tz database on many machines that are no names of it: what they mean depends on the machine.
_LOCAL = ("localtime", "posixrules", "posix/", "right/")


def zone_of(rule: Mapping[str, Json], default: str = "UTC") -> ZoneInfo:
    """The zone that a rule's `timezone` names. Raises ScheduleError (key `timezone`) naming the nearest known one."""
    name = rule.get("timezone")
    return zone(default if name is None else name)


def zone(name: Json) -> ZoneInfo:
    """The zone of that exact name in the tz database. Raises ScheduleError (key `timezone`)."""
    if not isinstance(name, str):
        raise ScheduleError("timezone", f"a timezone is a name such as Europe/Paris, not {quoted(name)}")
    if len(name) <= _LONGEST and _NAME.fullmatch(name) and not name.startswith(_LOCAL):
        try:
            return ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            pass
    raise ScheduleError("timezone", f"{quoted(name)} is no name of the tz database{_nearest(name)}")


def _nearest(name: str) -> str:
    known = _known()
    if not known:
        return ": this machine has no timezone data; install the tzdata package"
    near = difflib.get_close_matches(name[:_LONGEST].lower(), known, n=1)
    return f"; did you mean {known[near[0]]}?" if near else "; write one such as Europe/Paris or UTC"


@lru_cache(maxsize=1)
def _known() -> dict[str, str]:
    return {name.lower(): name for name in sorted(available_timezones()) if not name.startswith(_LOCAL)}
