"""What lies beside the chain: specs, parameters, results and errors, named by digest. Called by the loop.

New ones are kept until `new` hands them to the append of the facts that name them.
"""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from reconciler.core.arguments import merge
from reconciler.core.report import Report
from reconciler.daemon.ledger import Ledger
from reconciler.daemon.reading import Layered
from reconciler.model.ids import canonical, digest
from reconciler.model.plan import Declared, Desired, Json
from reconciler.model.state import Deployment
from reconciler.stores import Kind, Payload

ENDS: tuple[Kind, ...] = ("result", "error")
"""Kinds that nothing decides by: they are stored, and never read here."""


KEPT = 512
"""Specs and parameter sets kept in memory, most recently used last."""
LARGEST = 64 * 1024
"""Bytes of one that is kept; what is larger is read again, and takes no memory while nobody asks."""


class Payloads:
    """A cache over the ledger's payloads, and the new ones of this turn."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._kept: dict[str, Json] = {}
        self._new: dict[str, Payload] = {}
        self._handed: dict[str, Payload] = {}
        """Those handed to the append that ends this turn: not in the store yet."""

    def value(self, name: str) -> Json:
        """The JSON value of a digest; an empty mapping for the empty name or a purged payload."""
        if name in self._kept:
            self._kept[name] = self._kept.pop(name)
            return self._kept[name]
        handed = self._new.get(name) or self._handed.get(name)
        body = handed.content if handed else self._ledger.payload(name) if name else None
        if body is None:
            return {}  # and not remembered: `keep` would think that the store has it
        value = json.loads(body)
        self._remember(name, value, len(body))
        return value

    def has(self, name: str) -> bool:
        """Whether the value of a digest is there; of the empty name it always is."""
        here = name in self._kept or name in self._new or name in self._handed
        return not name or here or self._ledger.payload(name) is not None

    def spec(self, name: str) -> Mapping[str, Json]:
        """The effective spec of a digest."""
        found: Mapping[str, Json] = self.value(name)
        return found

    def keep(self, kind: Kind, value: Json) -> str:
        """The digest of a value that the next append stores."""
        name = digest(value)
        if name not in self._kept:
            self._new[name] = Payload(name, kind, body := canonical(value))
            if kind not in ENDS:
                self._remember(name, value, len(body))
        return name

    def parameters(self, deployment: Deployment, overrides: Mapping[str, Json]) -> str:
        """The digest of a deployment's parameters with a schedule's own laid over them."""
        return self.keep("parameters", merge(self.spec(deployment.digest).get("parameters") or {}, overrides))

    def with_specs(self, desired: Desired) -> Desired:
        """The desired state whose `specs` also finds those in the store."""
        return replace(desired, specs=Layered(desired.specs, self.spec))

    def add_specs(self, texts: Mapping[str, bytes], declared: Iterable[Declared | None]) -> None:
        """The effective specs that a plan's changes name, as canonical JSON by digest."""
        for one in declared:
            if one is not None:
                self._new[one.digest] = Payload(one.digest, "spec", texts[one.digest])

    def recorded(self, report: Report) -> Report:
        """The report with its result and error as digests, their content stored with the move they end in."""
        if report.final is None:
            return report
        final = dict(report.final)
        for key in ENDS:
            if key in final and (report.exit is not None or report.dead):
                final[key] = self.keep(key, final[key])
        return Report(report.run, report.attempt, report.facts, final, report.exit, report.dead)

    @property
    def held(self) -> Collection[str]:
        """The digests in memory, which are believed to be in the store."""
        return self._kept.keys()

    def new(self) -> list[Payload]:
        """The payloads that the store may not have yet; asked once."""
        found = list(self._new.values())
        self._handed |= self._new
        self._new = {}
        return found

    def stored(self) -> None:
        """What was handed out is in the store now."""
        self._handed = {}

    def forget(self) -> None:
        """Drop what was kept: the append that should have stored it failed."""
        self._new, self._handed, self._kept = {}, {}, {}

    def _remember(self, name: str, value: Json, size: int) -> None:
        if size > LARGEST:
            return
        self._kept[name] = value
        if len(self._kept) > KEPT:
            del self._kept[next(iter(self._kept))]
