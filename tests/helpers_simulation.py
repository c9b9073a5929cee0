"""A world without threads, clock or processes around the real loop: seeded, so that any history plays again.

Git, processes, the clock and the disk are played here; the loop, its ledger, its decisions and the requests are real.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from queue import SimpleQueue
from typing import NamedTuple

from helpers_branches import SimBranches, as_git_says
from helpers_facts import NOW, a_declared, a_rule, a_spec, desired_of, history, picture, rows_of, tell, texts_of
from helpers_invariants import OVER, Account, need
from helpers_outside import Servers, call, hold, purge

from reconciler.core import plan, project
from reconciler.core.plan import Policy
from reconciler.core.report import Report
from reconciler.daemon import reading, requests
from reconciler.daemon.ledger import Ledger, load
from reconciler.daemon.loop import CACHE, Loop, Request
from reconciler.daemon.previews import Previews
from reconciler.daemon.reading import Branches, Environment, Previewed, Read, Unchanged, Unreadable, still_says
from reconciler.model.errors import StoreError
from reconciler.model.events import BranchTracked
from reconciler.model.ids import canonical
from reconciler.model.plan import Desired, Source, SourceKind
from reconciler.model.state import FINAL
from reconciler.stores.memory import MemoryStore

NAMES = ("etl/a", "etl/b", "ml/c", "ml/d", "web/e", "etl/a--y")
"""The last one is what a preview of `y` would call the first."""
SCOPED = "ml/c"
"""It does not take the whole repository."""
ENVS = (None, None, "prod", "test")
PLACES = 4
NEVER_BEGAN = {"fact": "failed", "message": "it never began", "unlaunched": True}


class Crash(BaseException):
    """kill -9 of the daemon, here and now."""


class SimStore(MemoryStore):
    """A log that can refuse, go blind, or see its daemon killed before or after an append."""

    def __init__(self) -> None:
        super().__init__()
        self.fault: Callable[[str], None] = lambda _where: None

    def append(self, *args, **kwargs):
        self.fault("before an append")
        events = super().append(*args, **kwargs)
        self.fault("after an append")
        self.fault("the answer to an append")
        return events

    def live_runs(self):
        self.fault("reading the log")
        return super().live_runs()


@dataclass
class Process:
    """One attempt outside the daemon: it lives on when the daemon is killed."""

    run: str
    attempt: int
    begins: float
    ends: float
    final: dict | None
    exit: dict | None
    deaf: bool
    said: dict = field(default_factory=dict)
    pauses: tuple[float, ...] = ()
    """When it pauses; it goes on once it is told to, or after a while by itself."""
    resumed: dict[int, float] = field(default_factory=dict)
    keeper: str = "process"

    def facts(self, mono: float) -> tuple[dict, ...]:
        """What its journal holds by then."""
        if mono < self.begins:
            return ()
        found = [{"fact": "running", "attempt": self.attempt, "pid": 7, "at": "x", **self.said}]
        for number, at in enumerate(self.pauses, 1):
            if mono < at:
                break
            found.append({"fact": "paused", "timeout": 300, "reason": "look"})
            if mono < min(self.resumed.get(number, at + 300), at + 300):
                break
            found.append({"fact": "resumed"})
        return tuple(found)


@dataclass
class Watched:
    process: Process
    told: int = 0
    told_end: bool = False


@dataclass
class World:
    """What outlives a daemon: the log, the processes, git, the time."""

    rng: random.Random
    store: SimStore = field(default_factory=SimStore)
    mono: float = 0.0
    skew: float = 0.0
    faults: bool = True
    processes: dict[tuple[str, int], Process] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)
    """The history that a failing seed prints."""

    def __post_init__(self) -> None:
        self.servers = Servers(self.rng)

    def clock(self) -> datetime:
        return NOW + timedelta(seconds=self.mono + self.skew)

    def note(self, text: str) -> None:
        self.told.append(f"{self.clock():%d %H:%M:%S}  {text}")

    def chance(self, share: float) -> bool:
        return self.faults and self.rng.random() < share

    def template_dies(self) -> None:
        """What it was about to start never starts, and of what runs nobody sees the exit."""
        self.note("** killed: the template")
        for process in self.processes.values():
            if process.ends > self.mono and process.keeper == "process":
                process.exit = None
                if process.begins > self.mono:
                    process.ends, process.final = self.mono, NEVER_BEGAN

    def fault(self, where: str) -> None:
        if self.chance(0.01):
            self.note(f"** killed: {where}")
            raise Crash
        if where == "the answer to an append":
            if self.chance(0.01):
                self.note("** an append is durable and said to have failed")
                raise StoreError("no answer")
        elif where != "after an append" and not where.startswith("act") and self.chance(0.04):
            self.note(f"** the disk refuses: {where}")
            raise StoreError(f"no {where}")


class SimSupervisor:
    """The methods that the loop calls; what it watches is lost with the daemon."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.watched: dict[str, Watched] = {}

    def launch(self, run, what) -> None:
        self.world.fault("act: before a launch")
        row = self.world.store.run(run.id)
        need(row["attempt"] == run.attempt and not row["final"], "durable before acted on", f"{run.id} is launched")
        need(what.spec.get("flow_name"), "no fact lost", f"{run.id} is launched without its spec")
        rules = {rule["id"]: rule for rule in what.spec.get("schedules", ())}
        own = (rules.get(run.schedule) or {}).get("parameters") or {}
        expected = {**what.spec.get("parameters", {}), **own}
        known = run.trigger in {"schedule", "manual", "backfill"}  # others take those of another run
        need(
            not known or what.parameters == expected,
            "no fact lost",
            f"{run.id} is launched with {what.parameters}: {expected}",
        )
        process = self.world.processes.get((run.id, run.attempt))
        if process is None:
            alive = [p for p in self.world.processes.values() if p.run == run.id and p.ends > self.world.mono]
            need(not alive, "no run twice", f"{run.id}: attempt {run.attempt} begins while {alive} lives")
            process = self._start(run)
            process.keeper = what.pool
        if what.pool == "served" and self.world.servers.connected(run.deployment) is None:
            self.bury(run.id, process)
        self.watched[run.id] = Watched(process)
        self.world.fault("act: after a launch")

    def bury(self, run: str, process: Process) -> None:
        """Nobody is there who would begin it: it never does, and goes back into the queue."""
        if process.begins > self.world.mono and process.ends > self.world.mono:
            process.begins, process.ends, process.final, process.exit = 10**12, self.world.mono, NEVER_BEGAN, None
            self.world.servers.give_back(run, process.attempt)

    def leaves(self, deployments) -> None:
        """A serving process is gone: what it had in hand goes back."""
        for run, watched in self.watched.items():
            name = self.world.store.run(run)["deployment"]
            if watched.process.keeper == "served" and name in deployments:
                self.bury(run, watched.process)

    def _start(self, run) -> Process:
        rng, mono = self.world.rng, self.world.mono
        if run.trigger == "script":  # who calls begins it once it was told, or never
            process = Process(run.id, run.attempt, 10**12, mono + 10, None, None, True)
            self.world.processes[run.id, run.attempt] = process
            return process
        ends = mono + rng.choice((0.5, 5, 30, 120, 400))
        ways = [({"fact": "completed", "result": {"n": 1}}, {"code": 0})] * 4 + [
            ({"fact": "failed", "error": {"type": "ValueError"}, "message": "no"}, {"code": 1}),
            ({"fact": "timed_out"}, {"code": 1}),
            ({"fact": "completed"}, {"code": None, "signal": 9}),
            ({"fact": "completed"}, None),
            (None, {"code": 3}),
            (None, None),
            ({"fact": "suspended", "timeout": rng.choice((None, 90, 900)), "reason": "look"}, {"code": 0}),
            ({"fact": "failed", "message": "SystemExit: 1", "retry": False}, {"code": 1}),
            ({"fact": "failed", "message": "no template", "unlaunched": True}, None),
        ]
        final, status = rng.choice(ways)
        begins = mono + rng.choice((0, 0, 0.1, 20, 10**9))
        said = rng.choice(({}, {}, {"retries": 2, "retry_delays": [3], "retry_jitter": 0.5}))
        pauses = rng.choice(((), (), (mono + 1,), (mono + 1, mono + 400)))
        process = Process(run.id, run.attempt, begins, ends, final, status, rng.random() < 0.2, said, pauses)
        self.world.processes[run.id, run.attempt] = process
        return process

    def expect(self, run: str, commit: str | None) -> None:
        pass

    def spare(self, run: str) -> None:
        pass

    def stop(self, run: str) -> None:
        watched = self.watched.get(run)
        if watched is not None and not watched.process.deaf and watched.process.ends > self.world.mono:
            process = watched.process
            process.ends, process.final, process.exit = self.world.mono, None, {"code": None, "signal": 15}

    def resume(self, run: str, pause: int) -> None:
        self.world.fault("act: before a resume")
        watched = self.watched.get(run)
        if watched is not None and sum(f["fact"] == "paused" for f in watched.process.facts(self.world.mono)) == pause:
            watched.process.resumed.setdefault(pause, self.world.mono)

    def rest(self, run: str) -> None:
        self.watched.pop(run, None)

    def forget(self, run: str) -> None:
        self.watched.pop(run, None)

    def again(self, run: str) -> None:
        if run in self.watched:
            self.watched[run] = Watched(self.watched[run].process)

    def news(self) -> list[Report]:
        found = []
        for run, watched in self.watched.items():
            process, mono = watched.process, self.world.mono
            facts = process.facts(min(mono, process.ends))
            over = mono >= process.ends and not watched.told_end
            if len(facts) > watched.told or over:
                watched.told, watched.told_end = len(facts), over or watched.told_end
                ended = (process.final, process.exit, process.exit is None) if over else (None, None, False)
                found.append(Report(run, process.attempt, facts, *ended))
        return found


class Tip(NamedTuple):
    """What a branch holds."""

    specs: dict[str, dict]
    files: dict[str, str]
    broken: frozenset[str]
    pools: dict
    scope: str
    """The source commit of what does not take the whole repository."""


@dataclass
class Commit:
    """What a commit says in any environment."""

    revision: str
    whole: str
    tip: Tip
    touched: dict[str, str]
    """The newest commit that changed each file."""

    def __call__(self, env: str | None) -> tuple[Desired, dict[str, bytes]]:
        tip = self.tip
        pairs = []
        for name, spec in tip.specs.items():
            file = tip.files[name]
            if file not in tip.broken:
                laid = {**spec, "tags": [env], **({"concurrency_limit": 1} if env == "prod" else {})} if env else spec
                source = Source(SourceKind.SCOPE, tip.scope, directories=("src",)) if name == SCOPED else None
                pairs.append((laid, a_declared(laid, file=file, commit=self.touched[file], source=source)))
        desired = desired_of(*pairs, revision=self.revision, whole=self.whole, broken=tip.broken)
        pools = {name: {"file": "specs/a.yaml", **pool} for name, pool in tip.pools.items()}
        desired = replace(desired, pools={} if "specs/a.yaml" in tip.broken else pools)
        return desired, texts_of(desired)

    def read(self, env: str | None) -> Read:
        desired, texts = self(env)
        stamp = reading.stamp("specs", self.revision, Environment.of(env, {})) | {"elsewhere": False}
        return Read(desired, texts, {"specs/a.yaml": b"{}", "": canonical(stamp)})


def says(tip: Tip) -> dict[str, object]:
    """What each file holds."""
    found: dict[str, object] = {file: file in tip.broken for file in (*tip.files.values(), *tip.broken)}
    for name, spec in tip.specs.items():
        found[tip.files[name]] = [found[tip.files[name]], digest_of(spec)]
    return found


class SimGit:
    """A branch whose commits are desired states, and others beside it."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.number = 0
        self.specs: dict[str, dict] = {}
        self.files = {name: f"specs/{name[-1] if name[-1] in 'ab' else 'rest'}.yaml" for name in NAMES}
        self.broken: frozenset[str] = frozenset()
        self.pools: dict = {}
        self.scope = "scope-0"
        self.line: list[Commit] = []
        """The branch's commits, oldest first."""
        self.branches = SimBranches(rng)

    @property
    def head(self) -> str:
        return self.line[-1].revision

    def look(self, applied: str | None, env: str | None) -> Read:
        """What a look at the branch says; a commit that went away with a rewind is told."""
        read = self.line[-1].read(env)
        gone = applied and applied not in {each.revision for each in self.line}
        return replace(read, desired=replace(read.desired, rewound_from=applied if gone else None))

    def commit(self, *, calm: bool = False) -> str:
        if not calm and len(self.line) > 2 and self.rng.random() < 0.08:
            return self._rewind()
        self.number += 1
        revision = f"revision-{self.number:04d}"
        said = self._calm() if calm else ", ".join(self._edit() for _ in range(self.rng.choice((1, 1, 2, 4))))
        whole = revision if calm or not self.line or self.rng.random() < 0.8 else self.line[-1].whole
        self.line.append(self._commit(revision, whole, self._tip(), self.line[-1] if self.line else None))
        return said

    def _tip(self) -> Tip:
        return Tip(dict(self.specs), dict(self.files), self.broken, dict(self.pools), self.scope)

    def _commit(self, revision: str, whole: str, tip: Tip, before: Commit | None) -> Commit:
        old, now = says(before.tip) if before else {}, says(tip)
        same = {file: before.touched[file] for file in now if before and old.get(file) == now[file]}
        return Commit(revision, whole, tip, dict.fromkeys(now, f"touched in {revision}") | same)

    def branch_out(self, now: datetime) -> str:
        """Something happens to a branch beside this one; what it says is this one's head with edits."""

        def content(commit: str) -> Commit:
            tip, self.scope = self._tip(), f"scope of {commit}"
            for _ in range(self.rng.choice((0, 1, 2))):
                self._edit()
            made = self._commit(commit, f"{commit}-whole", self._tip(), self.line[-1])
            self._hold(tip)
            return made

        return self.branches.edit(content, now)

    def _hold(self, tip: Tip) -> None:
        self.specs, self.files, self.pools = dict(tip.specs), dict(tip.files), dict(tip.pools)
        self.broken, self.scope = tip.broken, tip.scope

    def _rewind(self) -> str:
        """The branch is set back by some commits, and holds what it held then."""
        del self.line[self.rng.randint(1, len(self.line) - 1) :]
        self._hold(self.line[-1].tip)
        return "the branch is set back"

    def _edit(self) -> str:
        rng, name = self.rng, self.rng.choice(NAMES)
        kind = rng.choice(
            (
                "write",
                "write",
                "write",
                "drop",
                "break",
                "mend",
                "mend",
                "pools",
                "schedule",
                "schedule",
                "move",
                "scope",
                "clash",
            )
        )
        if kind == "drop" and len(self.specs) > 1:
            for each in list(self.specs) if rng.random() < 0.25 else [name]:  # now and then more than the guard lets go
                self.specs.pop(each, None)
        elif kind == "break":
            self.broken = frozenset({f"specs/{rng.choice(('a', 'b', 'rest', 'new'))}.yaml"})
            return f"break {min(self.broken)}"
        elif kind == "mend":
            self.broken = frozenset()
        elif kind == "move":
            self.files[name] = f"specs/{rng.choice(('a', 'b', 'rest', 'new'))}.yaml"
        elif kind == "clash":  # with the preview that `y` has of the first
            said = [self.specs.pop(NAMES[-1], None), self.specs.get(NAMES[0])]
            self.specs |= {n: self._spec(n) for n, s in zip((NAMES[-1], NAMES[0]), said, strict=True) if s is None}
        elif kind == "scope":
            self.scope = f"scope-{rng.randint(1, 10**6)}"
        elif kind == "pools":
            self.pools = {"process": self._pool()} if rng.random() < 0.7 else {}
        elif kind == "schedule" and name in self.specs:
            self.specs[name] = {**self.specs[name], "schedules": self._schedules()}
        else:
            self.specs[name] = self._spec(name)
        return f"{kind} {name}"

    def _pool(self) -> dict:
        rng = self.rng
        queues = {
            q: {"priority": p, "concurrency_limit": rng.choice((None, 1, 2)), "paused": rng.random() < 0.1}
            for p, q in enumerate(("hi", "lo"), 1)
        }
        return {
            "type": "process",
            "concurrency_limit": rng.choice((None, 1, 2)),
            "paused": rng.random() < 0.1,
            "work_queues": queues,
        }

    def _spec(self, name: str) -> dict:
        rng = self.rng
        retries = rng.choice((0, 0, 1, 3))
        return a_spec(
            name,
            paused=rng.random() < 0.15,
            schedules=self._schedules(),
            concurrency_limit=rng.choice((None, 1, 2)),
            collision_strategy=rng.choice(("ENQUEUE", "ENQUEUE", "CANCEL_NEW", "CANCEL_RUNNING")),
            work_pool={"name": "process", "work_queue_name": rng.choice(("hi", "lo", "default"))},
            parameters={"n": rng.randint(0, 3)},
            flow={"known": True, "retries": retries, "retry_delay_seconds": rng.choice((0, 5, [1, 90]))},
        )

    def _schedules(self) -> list[dict]:
        rng = self.rng
        rules = [
            {"interval": 60},
            {"interval": 45, "active": rng.random() < 0.7},
            {"interval": rng.choice((20, 600)), "slug": "own", "catchup": "all", "catchup_window": 400},
            {"cron": rng.choice(("*/5 * * * *", "* * * * *", "7 * * * *")), "slug": "clock"},
            {"cron": "*/2 * * * *", "parameters": {"n": 9}, "catchup": "latest", "jitter": 20},
        ]
        return [a_rule(**rule) for rule in rng.sample(rules, rng.choice((0, 1, 1, 2)))]

    def _calm(self) -> str:
        self.broken, self.pools = frozenset(), {}
        self.specs = {n: {**s, "paused": True, "concurrency_limit": None} for n, s in self.specs.items()}
        return "all is paused"


def digest_of(spec: dict) -> str:
    return a_declared(spec).digest[:8]


class Simulation:
    """One history."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.world = World(self.rng)
        self.git = SimGit(self.rng)
        self.policy = Policy(on_rewind=self.rng.choice(("accept", "accept", "refuse")))
        self.account = Account(PLACES)
        self.seen = 0
        self.unread = True
        self.looked = False
        """Whether this daemon read git: only its first look can find that nothing changed without reading."""
        self.late: list[Report] = []
        self.keys: dict[tuple[str, str], str] = {}
        self.asked: list[tuple[str, dict, Request]] = []
        self.git.commit()
        self.env: str | None = None
        tell(Ledger(self.world.store), BranchTracked(branch="main"))
        self.world.store.fault = self.world.fault
        self.start()

    # --- the daemon -----------------------------------------------------------------------------------------------

    def start(self) -> None:
        while True:
            try:
                self.supervisor = SimSupervisor(self.world)
                ledger = Ledger(self.world.store)
                self._environment(ledger)
                self.loop = Loop(ledger, self.supervisor, self.world.clock, self.policy, PLACES, SimpleQueue())
                self.git.branches.daemon_starts()
                self.loop.previews = Previews(self.git.branches.policy, self.git.branches.want)
                self.loop._apart = self._bug
                self.loop.takers = lambda: self.world.servers.takers(self.world.mono)
                self.world.servers.daemon_restarts(self.world.mono)
                self.loop.acts.adopt(self.loop.ledger.observed)
            except (Crash, StoreError):
                continue
            break
        self.world.note("-- the daemon starts")
        self.unread, self.looked = True, False
        restored, folded = picture(load_calm(self.world)), picture(project.replay(history(self.world.store))[0])
        need(restored == folded, "replay equals fold", "after a start")

    def _environment(self, ledger: Ledger) -> None:
        """Now and then the operator starts it for another one."""
        self.env = ledger.observed.env
        if self.rng.random() < 0.15:
            env = self.rng.choice(ENVS)
            if env != self.env:
                self.world.note(f"the environment is {env}")
                tell(ledger, BranchTracked(branch="main", env=env), now=self.world.clock())
                self.env = env

    def turn(self, messages: list) -> None:
        try:
            need(self.loop._turn(messages), "the loop goes on", "it ended")
            if self.rng.random() < 0.3:
                self.loop._wait()
        except Crash:
            self.look()
            self.start()
            return
        self.look()
        self._answers()

    def _bug(self, error: Exception, _messages: list) -> bool:
        """The daemon would go on; here it is found."""
        need(False, "the loop foresees everything", f"{type(error).__name__}: {error}")
        return False

    def look(self) -> None:
        """What the log holds now is judged; all of it was durable before anybody heard of it."""
        for event in self.world.store.events(self.seen, limit=10**9):
            self.account.see(event)
            what = {k: v for k, v in event.data.items() if k in ("state", "reason", "attempt", "due", "first", "last")}
            self.world.note(f"  #{event.seq} {event.type} {event.subject} {what or ''}")
            self.seen = event.seq

    def _answers(self) -> None:
        for verb, args, request in self.asked:
            if not request.answer.done():
                continue
            if error := request.answer.exception():
                need("cannot be decided" not in str(error), "the loop foresees everything", f"{verb} {args}: {error}")
                continue
            value = request.answer.result()
            if verb == "run":
                self.world.store.run(value["run"])
                first = self.keys.setdefault((args["deployment"], args["key"]), value["run"])
                need(first == value["run"], "the same key twice is one run", args)
                need(value["run"] in self.account.runs, "no fact lost", f"{value} was answered")
            elif verb == "script":
                self._called(value["run"])
            elif verb in {"retry", "replay"}:
                self.world.store.run(value["run"])
                first = self.keys.setdefault((args["run"], f"{verb} {args['key']}"), value["run"])
                need(first == value["run"], "the same key twice is one run", args)
            elif verb == "suspend":
                found = self.world.store.events(types=["DeploymentSuspended"], subject=args["deployment"])
                need(found, "no fact lost", f"{args} was answered")
        self.asked = [each for each in self.asked if not each[2].answer.done()]

    def _called(self, run: str) -> None:
        """A script was told that its call is recorded: it begins."""
        need(run in self.account.runs, "no fact lost", f"the call {run} was answered")
        process = self.world.processes.get((run, 1))
        if process is not None and process.ends > self.world.mono:
            process.begins, process.ends = self.world.mono, self.world.mono + self.rng.choice((0.1, 5, 300))
            ways = (({"fact": "completed"}, {}), ({"fact": "failed", "message": "no"}, {}), (None, None))
            process.final, process.exit = self.rng.choice(ways)

    # --- what happens -----------------------------------------------------------------------------------------------

    def step(self) -> None:
        rng, world = self.rng, self.world
        if any(server.until is not None for server in world.servers.all):
            self._servers()
        self._time()
        messages: list = []
        if world.chance(0.03):
            world.template_dies()
        if rng.random() < 0.15:
            world.note(f"git: {self.git.commit()} → {self.git.head}")
            self.unread = True
        if self.unread and rng.random() < 0.8:
            messages.append(self._git())
        if rng.random() < 0.15:
            world.note(f"git: {self.git.branch_out(world.clock())}")
        messages += self._branches()
        messages += self._reports()
        if rng.random() < 0.15:
            self._servers()
        messages += world.servers.posted
        world.servers.posted = []
        messages += [self._request() for _ in range(rng.choice((0, 0, 0, 1, 2)))]
        rng.shuffle(messages)
        self.turn(messages)

    def _servers(self) -> None:
        happened = self.world.servers.turn(sorted(self.loop.ledger.observed.deployments), self.world.mono)
        if happened is not None:
            what, server = happened
            self.world.note(f"serving process {server.pid} of {sorted(server.deployments)} {what}")
            if what == "is gone":
                self.supervisor.leaves(server.deployments)

    def _time(self) -> None:
        rng, world = self.rng, self.world
        kind = rng.random()
        if kind < 0.06:
            jump = rng.choice((-7200, -7200, -90, -30, 30, 90, 7200, 100_000, -100_000))
            world.skew += jump
            world.note(f"** the clock jumps by {jump} s")
        elif kind < 0.5:
            world.mono += rng.choice((0, 0.01, 1, 5, 14, 20))
        elif kind < 0.9:
            world.mono += self._until_next()
        else:
            world.mono += rng.choice((60, 61, 200, 4000))

    def _until_next(self) -> float:
        """As long as the loop would wait, to the microsecond."""
        try:
            return self.loop._wait()
        except StoreError:
            return 1.0

    def _git(self) -> Read | Unchanged | Unreadable:
        if self.world.chance(0.15):
            return Unreadable("the disk is away")
        self.unread = False
        first, self.looked = not self.looked, True
        if first and self.loop.ledger.observed.revision == self.git.head:  # as daemon/reconcile
            kept = self.world.store.cache_get(CACHE, "")
            if still_says(kept, "specs", self.git.head, Environment.of(self.env, {})):
                return Unchanged(self.git.head)
        return self.read()

    def _branches(self) -> list[Branches | Previewed]:
        """What git says of the branches that are previewed."""
        found: list[Branches | Previewed] = []
        branches, chance = self.git.branches, self.world.chance
        if branches.policy.patterns and branches.unseen and self.rng.random() < 0.7:
            found.append(Branches(None) if chance(0.15) else branches.listed())
        if branches.wanted and self.rng.random() < 0.7:
            found.append(branches.read(self.env, readable=not chance(0.1)))
        return found

    def read(self) -> Read:
        """What a look at git says now."""
        return self.git.look(self.loop.ledger.observed.revision, self.env)

    def _reports(self) -> list[Report]:
        found = self.supervisor.news()
        if self.world.faults:
            again = [r for r in self.late if self.rng.random() < 0.3]
            self.late = [*self.late[-20:], *(r for r in found if self.rng.random() < 0.3)]
            strange = [
                replace(r, attempt=r.attempt + self.rng.choice((-1, 1))) for r in found if self.rng.random() < 0.1
            ]
            strange = [r for r in strange if (r.run, r.attempt) not in self.account.attempts]  # or it would be a lie
            found = [*found, *again, *strange]
        return found

    def _request(self) -> Request:
        rng, known = self.rng, self.loop.ledger.observed.deployments
        name = rng.choice(sorted({*NAMES, *known}))
        quarantined = [n for n, d in known.items() if d.quarantine]
        over = [r for r, said in self.account.runs.items() if said["trigger"] == "schedule" and said["state"] in OVER]
        runs = [r.id for r in self.loop.ledger.observed.runs.values()] or ["f" * 16]
        waits = [r.id for r in self.loop.ledger.observed.runs.values() if r.state in {"Paused", "Suspended"}]
        refused = self.loop.ledger.observed.refused or {"revision": "none"}
        verb, args = rng.choice(
            (
                ("run", {"deployment": name, "key": f"key-{rng.randint(0, 30)}"}),
                ("run", {"deployment": name, "key": f"key-{rng.random()}"}),
                ("cancel", {"run": rng.choice(runs)}),
                ("resume", {"run": rng.choice(runs), "reason": "fine"}),
                ("resume", {"run": rng.choice(waits or runs), "reason": "fine"}),
                (
                    "retry",
                    {
                        "run": rng.choice(sorted(self.account.runs) or runs),
                        "key": f"key-{rng.randint(0, 3)}",
                        "latest": rng.random() < 0.5,
                    },
                ),
                ("suspend", {"deployment": name, "reason": "maintenance"}),
                ("resume", {"deployment": name, "reason": "done"}),
                ("resume", {"deployment": name, "reason": "done"}),
                ("quarantine", {"deployment": name, "which": rng.random()}),
                ("quarantine", {"deployment": rng.choice(sorted(known) or [name]), "which": rng.random()}),
                ("release", {"deployment": rng.choice(quarantined or [name]), "reason": "mended"}),
                ("confirm", {"revision": refused["revision"], "reason": "meant so"}),
                ("ping", {}),
                (
                    "backfill",
                    {
                        "deployment": name,
                        "from": (self.world.clock() - timedelta(seconds=rng.choice((100, 300)))).isoformat(),
                        "to": self.world.clock().isoformat(),
                        "key": f"fill-{rng.randint(0, 5)}",
                        "reprocess": rng.choice(("none", "failed", "completed")),
                    },
                ),
                (
                    "replay",
                    {
                        "run": rng.choice(over or runs),
                        "key": f"key-{rng.randint(0, 3)}",
                        "parameters": {"n": 7} if rng.random() < 0.3 else {},
                        "commit": rng.choice((None, "c" * 40)),
                        "reason": "look again",
                    },
                ),
                ("script", {"number": rng.randint(1, 10**9)}),
                ("purge", {}),
            )
        )
        return self._ask(verb, args)

    def _ask(self, verb: str, args: dict) -> Request:
        outside = {"script": lambda: call(args["number"]), "purge": lambda: purge, "quarantine": lambda: hold(args)}
        request = Request(outside[verb]() if verb in outside else requests.VERBS[verb](args, "ada"))
        self.asked.append((verb, args, request))
        return request

    # --- what must hold -----------------------------------------------------------------------------------------------

    def check(self) -> None:
        """Between turns, with no fault under way."""
        world, loop = self.world, self.loop
        faults, world.faults = world.faults, False
        self.turn([])
        need(self.loop.inbox.empty(), "no fact lost", "what a run was created with was purged before it ran")
        self.account.settled(world.clock())
        observed = loop.ledger.observed
        folded = project.replay(history(world.store))[0]
        need(picture(observed) == picture(folded), "replay equals fold", "the loop's state is not what the log says")
        need(picture(load(world.store)) == picture(folded), "replay equals fold", "restored rows are not")
        found = world.store.verify(rows_of)
        need(not found.problems, "replay equals fold", found.problems)
        if not self.unread and observed.refused is None:
            need(observed.revision == self.git.head, "no commit is passed over", f"{observed.revision} is applied")
            as_git_says(observed, self.read().desired)
        self._no_op()
        self._settle_branches()
        if self.rng.random() < 0.3:
            self._restart()
        world.faults = faults

    def _settle_branches(self) -> None:
        """The daemon is told all that there is of branches: then previews are what they should be."""
        branches = self.git.branches
        if branches.policy.patterns:
            self.turn([branches.listed()])
        else:
            self.turn([])
        while branches.wanted:
            self.turn([branches.read(self.env)])
        observed, now = self.loop.ledger.observed, self.world.clock()
        branches.check(observed, now, self.env)
        if not self.unread and observed.refused is None:
            as_git_says(observed, self.read().desired)
        before = self._told()
        self.turn([branches.listed()] if branches.policy.patterns else [])
        need(self._told() == before, "asking twice adds nothing", "a look at branches wrote")

    def _told(self) -> int:
        """The last event that is not about runs and slots."""
        events = self.world.store.events(limit=10**9)
        return max(e.seq for e in events if not e.type.startswith(("Run", "Slots")))

    def _restart(self) -> None:
        """A daemon that ends and starts finds what it left."""
        before, policy, env, read = self._told(), self.git.branches.policy, self.env, not self.unread
        self.world.note("-- the daemon ends")
        self.start()
        if (policy, env) != (self.git.branches.policy, self.env):
            return
        if read:
            self.unread = False
            self.turn([self.read()])
        self._settle_branches()
        need(self._told() == before, "asking twice adds nothing", "a restart wrote")

    def _no_op(self) -> None:
        if self.unread:
            return
        self.turn([self.read()])
        observed, desired = self.loop.ledger.observed, self.read().desired
        if observed.refused is None:
            made = plan.plan(desired, observed, self.policy)
            need(made.empty, "applying leaves nothing to plan", made.json())
            need(observed.revision == self.git.head, "no commit is passed over", observed.revision)
        before, slots = self.world.store.head(), self.account.slots.copy()
        schedules = {n: d.schedules for n, d in observed.deployments.items()}
        self.turn([self.read(), self.read(), Unchanged(self.git.head)])
        need(
            self.world.store.head() == before and self.account.slots == slots,
            "asking twice adds nothing",
            "a no-op wrote",
        )
        same = {n: d.schedules for n, d in self.loop.ledger.observed.deployments.items()}
        need(schedules == same, "asking twice adds nothing", "a no-op touched a schedule")

    def finish(self) -> None:
        """Faults stop, git pauses everything: then every run reaches an end."""
        world = self.world
        world.faults = False
        world.note("-- faults stop")
        self.turn(self._reports())
        if not self.unread and self.loop.ledger.observed.refused is None:
            revision = self.loop.ledger.observed.revision
            need(
                revision == self.git.head,
                "no commit is passed over",
                f"{revision} is applied, {self.git.head} was read",
            )
        world.note(f"git: {self.git.commit(calm=True)}")
        self.unread = False
        self.turn([self.read()])
        if self.loop.ledger.observed.refused:
            self.turn([self._ask("confirm", {"revision": self.git.head, "reason": "meant so"})])
        for number in range(400):
            if not self.loop.ledger.observed.runs:
                break
            world.mono += max(self.loop._wait() if self.rng.random() < 0.5 else 5.0, 0.001)
            if number > 200:
                world.mono += 3600  # runs whose due a clock set back has put off
            held = [r.id for r in self.loop.ledger.observed.suspended.values() if r.until is None]
            self.turn([*self._reports(), *(self._ask("cancel", {"run": run}) for run in held)])
        live = {r.id: (str(r.state), r.reason) for r in self.loop.ledger.observed.runs.values()}
        need(not live, "every run reaches an end", live)
        need(self.loop.ledger.observed.revision == self.git.head, "no commit is passed over", "the last one")
        rows = world.store.runs(limit=10**9)
        self.git.branches.heads.clear()
        need(all(r["state"] in FINAL for r in rows), "every run reaches an end", "in the rows")
        need({r["id"] for r in rows} == self.account.runs.keys(), "no fact lost", "runs")
        self.check()


def load_calm(world: World):
    faults, world.faults = world.faults, False
    try:
        return load(world.store)
    finally:
        world.faults = faults


def play(seed: int, steps: int = 30) -> Simulation:
    """One seeded history, judged at every step; a failure carries the story."""
    simulation = Simulation(seed)
    try:
        for number in range(steps):
            simulation.step()
            if number % 10 == 9:
                simulation.check()
        simulation.finish()
    except Exception as error:
        story = "\n".join(simulation.world.told[-80:])
        command = f"python tests/property/test_simulation.py {seed}"
        raise AssertionError(f"seed {seed}: {type(error).__name__}: {error}\n{story}\n\nagain: {command}") from error
    return simulation


def shortest(seed: int, most: int = 30) -> tuple[int, AssertionError] | None:
    """The fewest steps of a seed's history that break a promise, and how; None when it holds."""
    for steps in range(1, most + 1):
        try:
            play(seed, steps)
        except AssertionError as error:
            return steps, error
    return None
