"""What must hold of any log: an account of its own, kept beside the fold. For the simulation and the property tests."""

from collections import Counter
from datetime import datetime, timedelta

from reconciler import schedules
from reconciler.model.fact import Event
from reconciler.model.ids import moment, run_id
from reconciler.model.state import ACTIVE, FINAL

HOLDS = {str(state) for state in ACTIVE}
OVER = {str(state) for state in FINAL}
GRACE = timedelta(seconds=60)
DAY = timedelta(days=1)
FEW = 3
DECIDES = ("cron", "interval", "rrule", "timezone", "day_or", "anchor_date")


class BrokenError(AssertionError):
    """An invariant that does not hold; its first word names it."""


def need(holds: object, invariant: str, said: object) -> None:
    if not holds:
        raise BrokenError(f"{invariant}: {said}")


class Account:
    """Walks a log event by event and raises `BrokenError` at the first that breaks a promise."""

    def __init__(self, places: int = 10**9) -> None:
        self.places = places
        self.deployments: dict[str, dict] = {}
        self.cursors: dict[tuple[str, str], datetime] = {}
        """How far each schedule in force is accounted for."""
        self.left: datetime | None = None
        """How far schedules that are gone were accounted for: should the clock go back, new ones start there."""
        self.rules: dict[tuple[str, str], dict] = {}
        self.runs: dict[str, dict] = {}
        self.attempts: set[tuple[str, int]] = set()
        self.pools: dict = {}
        self.suspended: set[str] = set()
        self.wanted: dict[str, dict] = {}
        """What git says of what is quarantined."""
        self.previews: dict[str, dict] = {}
        """By branch, as last told; those whose time is over stay."""
        self.limit = 0.5
        """The share that a revision may prune unasked."""
        self.before: set[str] = set()
        """Names of the tracked branch's deployments when a revision was applied last."""
        self.confirmed: str | None = None
        self.pruned: set[str] = set()
        """Files of what the revision under way prunes."""
        self.slots: Counter[str] = Counter()
        self.most = 0
        """Runs active at once, at most."""

    def see(self, event: Event) -> None:  # noqa: C901, PLR0912 - one line a kind of event
        if event.type == "RunCreated":
            self._created(event)
        elif event.type == "RunResumed":
            self._resumed(event)
        elif event.type.startswith("Run"):
            self._moved(event)
        elif event.type in {"DeploymentCreated", "DeploymentUpdated"}:
            self._declared(event)
        elif event.type == "DeploymentQuarantined":
            self.wanted.setdefault(event.subject, self.deployments[event.subject])
            self._written(event, event.data["held"])
        elif event.type == "DeploymentReleased":
            need(event.subject in self.wanted, "only what is held is released", event.subject)
            self._written(event, self.wanted.pop(event.subject))
        elif event.type == "DeploymentPruned":
            for key in [k for k in self.cursors if k[0] == event.subject]:
                self._leaves(self._ends(key, event.at))
            need(event.subject in self.deployments, "git is the only way in", f"{event.subject} pruned, never made")
            live = self.deployments.pop(event.subject)
            held = self.wanted.pop(event.subject, live)
            if not live.get("preview"):
                self.pruned.add(held["file"])
            self.suspended.discard(event.subject)
        elif event.type in {"SlotsSkipped", "SlotsMissed"}:
            self._stretch(event)
        elif event.type == "DeploymentSuspended":
            self.suspended.add(event.subject)
        elif event.type == "DeploymentResumed":
            self.suspended.discard(event.subject)
            for key in [k for k in self.cursors if k[0] == event.subject]:
                self._goes_on(key, event)
        elif event.type in {"PoolCreated", "PoolUpdated"}:
            self.pools[event.subject] = event.data["declared"]
        elif event.type == "PoolPruned":
            self.pruned.add(self.pools.pop(event.subject)["file"])
        elif event.type == "RevisionApplied":
            self._applied(event)
        elif event.type == "RevisionConfirmed":
            self.confirmed = event.data["revision"]
        elif event.type == "PreviewApplied":
            self._previewed(event)
        elif event.type == "PreviewPruned":
            self._preview_ends(event)

    def _applied(self, event: Event) -> None:
        broken = {problem["file"] for problem in event.data.get("problems", ())}
        need(not self.pruned & broken, "a broken file prunes nothing", f"{self.pruned & broken} at event {event.seq}")
        self.pruned.clear()
        after = {name for name, said in self.deployments.items() if not said.get("preview")}
        pruned, asked = len(self.before - after), self.confirmed == event.data["revision"]
        few = pruned < len(self.before) and not (pruned >= FEW and pruned > self.limit * len(self.before))
        need(not pruned or few or asked, "the guard asks", f"{pruned} of {len(self.before)} pruned at {event.seq}")
        self.before, self.confirmed = after, None

    # --- previews ----------------------------------------------------------------------------------------------

    def _preview_name(self, event: Event) -> None:
        """A deployment is of one branch as long as it is there, and a preview rests."""
        name, branch = event.subject, event.data.get("preview", "")
        known = self.deployments.get(name)
        need(known is None or known.get("preview", "") == branch, "a name is of one branch", f"{name} at {event.seq}")
        if branch:
            need(event.data.get("paused") and not event.data.get("schedules"), "previews rest", f"{name} {event.data}")

    def _previewed(self, event: Event) -> None:
        branch, data = event.subject, event.data
        known = self.previews.get(branch)
        if known is not None and known["revision"] == data["revision"]:
            need(not known["over"], "what is over stays over", f"{branch} at {data['revision']}")
            need(known["until"] == data["until"], "only a move gives more time", f"{branch} at event {event.seq}")
        need(moment(data["until"]) > event.at or known, "a preview has its time", f"{branch} at event {event.seq}")
        self.previews[branch] = {**data, "over": False}
        own = {name for name, said in self.deployments.items() if said.get("preview") == branch}
        ends = f"--{data['suffix']}"
        need(all(name.endswith(ends) for name in own), "previews are named so", f"{own} of {branch}")
        twins = [b for b, p in self.previews.items() if p["suffix"].casefold() == data["suffix"].casefold()]
        need(twins == [branch], "previews are named so", twins)

    def _preview_ends(self, event: Event) -> None:
        branch = event.subject
        need(branch in self.previews, "only what is previewed ends", branch)
        left = [name for name, said in self.deployments.items() if said.get("preview") == branch]
        need(not left, "a preview ends as a whole", f"{left} of {branch}")
        if event.data.get("over"):
            need(moment(self.previews[branch]["until"]) <= event.at, "a preview has its time", branch)
            self.previews[branch]["over"] = True
        else:
            del self.previews[branch]

    def _source(self, run: str, data: dict) -> None:
        """A run of what is quarantined, or of a preview, is of its commit and of no other."""
        name = data["deployment"]
        live = self.deployments[name]
        branch = live.get("preview", "")
        need(data.get("preview", "") == branch, "a run is of the branch of its deployment", f"{run}: {data}")
        source, commit = live.get("source", {}), data.get("source_commit")
        if name in self.wanted:
            need(commit == source.get("commit"), "what is quarantined stays", f"{run} of {name} at {commit}")
        if branch and name not in self.previews[branch].get("held", ()) and not source.get("directories"):
            whole = self.previews[branch].get("whole_commit")
            need(commit == whole, "a preview runs its own code", f"{run} of {name} at {commit}, not {whole}")

    # --- slots -------------------------------------------------------------------------------------------------

    def _still(self, name: str, rule: dict) -> bool:
        known = self.deployments[name]
        return known.get("paused", False) or name in self.suspended or not rule.get("active", True)

    def _declared(self, event: Event) -> None:
        """What git says counts at once, but for what is quarantined: of that, only whether it is paused."""
        name = event.subject
        self._preview_name(event)
        if name not in self.wanted:
            self._written(event, event.data)
            return
        self.wanted[name] = dict(event.data)
        self.deployments[name]["paused"] = event.data.get("paused", False)
        for key in [k for k in self.cursors if k[0] == name]:
            self._goes_on(key, event)

    def _written(self, event: Event, data: dict) -> None:
        name, rules = event.subject, {rule["id"]: dict(rule) for rule in data.get("schedules", ())}
        was = {key[1] for key in self.cursors if key[0] == name}
        back = self.left is not None and event.at < self.left <= event.at + DAY
        start = self.left if back and self.left else event.at
        for ident in was:
            before, after = self.rules[name, ident], rules.get(ident)
            if after is None or any(before.get(k) != after.get(k) for k in DECIDES):
                ended = self._ends((name, ident), event.at)
                if after is not None:  # changed: from now on, or from where it was accounted for
                    self.cursors[name, ident] = max(event.at, ended)
                else:
                    self._leaves(ended)
        for ident, rule in rules.items():
            key = (name, ident)
            if key not in self.cursors:
                self.cursors[key] = start
            self.rules[key] = rule
        self.deployments[name] = dict(data)
        for ident in rules:
            self._goes_on((name, ident), event)

    def _goes_on(self, key: tuple[str, str], event: Event) -> None:
        """What passed while it stood still is told before a schedule goes on."""
        if not self._still(key[0], self.rules[key]):
            untold = schedules.next_slot(schedules.load(self.rules[key]), self.cursors[key])
            need(untold is None or untold > event.at, "what was skipped is told", f"{key}: {untold} at {event.at}")

    def _leaves(self, accounted: datetime) -> None:
        self.left = max(accounted, self.left or accounted)

    def _ends(self, key: tuple[str, str], at: datetime) -> datetime:
        cursor = self.cursors.pop(key)
        lost = schedules.next_slot(schedules.load(self.rules[key]), cursor)
        need(
            lost is None or lost > at, "no slot lost", f"{key}: {lost} is accounted for by nothing when it ends at {at}"
        )
        return cursor

    def _next(self, key: tuple[str, str], slot: datetime, event: Event) -> None:
        cursor = self.cursors.get(key)
        need(cursor is not None, "no slot of no schedule", f"{key} at event {event.seq}")
        expected = schedules.next_slot(schedules.load(self.rules[key]), cursor)
        need(slot == expected, "every slot once", f"{key}: event {event.seq} accounts for {slot}, next is {expected}")

    def _stretch(self, event: Event) -> None:
        data, key = event.data, (event.subject, event.data["schedule"])
        first, last = moment(data["first"]), moment(data["last"])
        self._next(key, first, event)
        found = schedules.count(schedules.load(self.rules[key]), self.cursors[key], last, 10**9)
        need((found.last, found.n) == (last, data["count"]), "stretches count right", f"{key}: {found} is told {data}")
        still = self._still(event.subject, self.rules[key])
        if event.type == "SlotsMissed":
            old = last < event.at - GRACE or (data["reason"].endswith("caught up") and first < event.at - GRACE)
            need(not still and old, "missed means too old", f"{key}: {last} at {event.at}, {still}")
        elif data["reason"].endswith("before the clock was set back"):
            need(run_id(*key, last) in self.runs and first == last, "skipped means it ran", f"{key}: {data}")
        else:
            need(still and last <= event.at, "skipped means standing still", f"{key}: {last} at {event.at}")
        need(data["reason"], "all that waits says why", f"{key} at event {event.seq}")
        self.cursors[key] = last
        self.slots[event.type] += data["count"]

    # --- runs --------------------------------------------------------------------------------------------------

    def _created(self, event: Event) -> None:
        run, data = event.subject, event.data
        need(run not in self.runs, "no run twice", f"{run} of {data['deployment']} at event {event.seq}")
        old = self.runs.get(data.get("origin", ""))
        script = data["trigger"] == "script"  # a person's own call: it takes no slot, and git knows nothing of it
        need(script == (not data["deployment"]), "git is the only way in", f"{run}: {data}")
        known = data["deployment"] in self.deployments or old is not None or script
        need(known, "git is the only way in", f"a run of {data['deployment']}")
        if old is not None:
            need(old["state"] in OVER, "what is tried again is over", f"{run} of {old['state']}")
        if data["trigger"] == "schedule":
            key, due = (data["deployment"], data["cause"]), moment(data["due"])
            rule, late = self.rules[key], event.at - due
            back = self.cursors[key] > event.at + DAY  # a clock that was wrong before: what it told is not told again
            if not back:
                self._next(key, due, event)
                self.cursors[key] = due
            need(not self._still(key[0], rule), "nothing runs while standing still", f"{key} at {due}")
            catches = not back and rule.get("catchup", "none") != "none"
            most = max(GRACE, timedelta(seconds=rule.get("catchup_window", 86_400))) if catches else GRACE
            need(timedelta() <= late <= most, "runs are due within the grace", f"{key}: {due} at {event.at}")
            need((late > GRACE) == bool(data.get("reason")), "what is caught up says so", f"{key}: {data}")
            start = moment(data["start_at"]) if "start_at" in data else due
            need(due <= start <= due + timedelta(seconds=rule.get("jitter", 0)), "jitter is bounded", data)
            self.slots["RunCreated"] += 1
            self.slots["caught up"] += late > GRACE
        if data["trigger"] in {"schedule", "manual", "backfill"}:
            self._source(run, data)
        specs = {script and data["spec"], self.deployments.get(data["deployment"], {}).get("spec"), old and old["spec"]}
        need(data["spec"] in specs, "pinned", f"{run} has another spec than its deployment, or the run it tries again")
        self.runs[run] = {**data, "state": "Scheduled", "attempt": 0, "free": 0}

    def _resumed(self, event: Event) -> None:
        run = self.runs[event.subject]
        need(run["state"] in {"Paused", "Suspended"}, "what is resumed waits", f"{event.subject} is {run['state']}")
        need(event.data["reason"] and event.data["who"], "all that waits says why", f"{event.subject} resumed")

    def _moved(self, event: Event) -> None:
        run = self.runs.get(event.subject)
        need(run is not None, "no move of no run", f"{event.subject} at event {event.seq}")
        state, attempt = event.data["state"], event.data.get("attempt", 0)
        need(run["state"] not in OVER, "over stays over", f"{event.subject} is {run['state']}, then {state}")
        if state == "Pending":
            need(attempt == run["attempt"] + 1, "attempts count", f"{event.subject}: {attempt} after {run['attempt']}")
            tries = max(run.get("retries", 0), run.get("said", 0)) + 1 + run["free"]
            need(attempt <= tries, "retries are bounded", f"{event.subject}: attempt {attempt}")
            self.attempts.add((event.subject, attempt))
            self._admitted(event.subject, run)
        else:
            need(attempt == run["attempt"], "attempts count", f"{event.subject}: {state} of attempt {attempt}")
        need(event.data.get("reason"), "every move has its reason", f"{event.subject} {state}")
        detail = event.data.get("detail", {})
        need(
            not (detail.get("unlaunched") and run["free"] > 50), "retries are bounded", f"{event.subject} never begins"
        )
        run["free"] += bool(detail.get("unlaunched")) or (run["state"] == "Suspended" and state not in OVER)
        run["said"] = detail.get("retries", run.get("said", 0))
        run["state"], run["attempt"] = state, attempt

    def _admitted(self, ident: str, run: dict) -> None:
        if run["trigger"] == "script":
            return
        active = [r for r in self.runs.values() if r["state"] in HOLDS and r["trigger"] != "script"] + [run]
        self.most = max(self.most, len(active))
        pool = self.pools.get(run.get("pool", "process")) or {}
        queue = (pool.get("work_queues") or {}).get(run.get("queue", "default")) or {}
        own = self.deployments.get(run["deployment"]) or {}
        same_pool = [r for r in active if r.get("pool") == run.get("pool")]
        uses = [
            ("deployment", own.get("limit"), sum(r["deployment"] == run["deployment"] for r in active)),
            ("queue", queue.get("concurrency_limit"), sum(r.get("queue") == run.get("queue") for r in same_pool)),
            ("pool", pool.get("concurrency_limit"), len(same_pool)),
            ("host", self.places, len(active)),
        ]
        for what, limit, used in uses:
            need(limit is None or used <= limit, "limits hold", f"{ident}: {used} of {limit} of the {what}")
        need(not pool.get("paused"), "limits hold", f"{ident} was let into a paused pool")
        need(not queue.get("paused"), "limits hold", f"{ident} was let into a paused queue")

    # --- at any moment between turns -----------------------------------------------------------------------------

    def settled(self, now: datetime) -> None:
        """Nothing that should have happened by `now` is missing."""
        for key, cursor in self.cursors.items():
            if not self._still(key[0], self.rules[key]):
                ahead = schedules.next_slot(schedules.load(self.rules[key]), cursor)
                need(ahead is None or ahead > now, "no slot lost", f"{key}: {ahead} is not accounted for at {now}")
