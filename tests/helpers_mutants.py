"""Bugs planted on purpose, of every kind that the simulation is there to find. For tests/property/test_simulation."""

from collections.abc import Callable
from dataclasses import replace

from pytest import MonkeyPatch  # noqa: PT013 - the type alone

from reconciler.core import admit, due, plan, preview, project, report, retries
from reconciler.core.versions import Version
from reconciler.daemon import reading
from reconciler.daemon.acts import Acts
from reconciler.daemon.ledger import Ledger
from reconciler.daemon.loop import Loop
from reconciler.daemon.payloads import Payloads
from reconciler.daemon.previews import Previews
from reconciler.model.state import State


def acts_before_the_append(patch: MonkeyPatch) -> None:
    before = Loop._admit

    def admitted(self, now):
        before(self, now)
        for run in self.ledger.observed.active.values():
            if run.state is State.PENDING and run.since == now:
                self.acts._launch(run, self.ledger.observed)

    patch.setattr(Loop, "_admit", admitted)


def answers_before_the_append(patch: MonkeyPatch) -> None:
    def requested(self, request, now, answers):
        value, facts = request.decide(self, now)
        request.answer.set_result(value)
        self.stage(facts, now)

    patch.setattr(Loop, "_requested", requested)


def believes_the_report_of_another_attempt(patch: MonkeyPatch) -> None:
    moves = report.moves
    patch.setattr(
        report, "moves", lambda run, said, now, spec: moves(run, replace(said, attempt=run.attempt), now, spec)
    )


def forgets_what_ran_when_it_was_killed(patch: MonkeyPatch) -> None:
    patch.setattr(Acts, "adopt", lambda _self, _observed: None)


def leaves_staged_facts_in_memory_when_the_append_fails(patch: MonkeyPatch) -> None:
    patch.setattr(Ledger, "drop", lambda self: self._clear())


def writes_no_row_for_a_resumed_deployment(patch: MonkeyPatch) -> None:
    def resumed(observed, event, touched):
        observed.deployments[event.subject].suspended = None

    patch.setitem(project._FOLDS, "DeploymentResumed", resumed)


def names_a_slot_again_when_the_clock_is_set_back(patch: MonkeyPatch) -> None:
    patch.setattr(project, "_start", lambda _observed, at: at)


def lets_a_run_into_a_full_pool(patch: MonkeyPatch) -> None:
    full = admit._full

    def unbounded(*given):
        wait = full(*given)
        return None if wait and wait.startswith("work pool") and "full" in wait else wait

    patch.setattr(admit, "_full", unbounded)


def prunes_what_a_broken_file_held(patch: MonkeyPatch) -> None:
    made = plan.plan
    patch.setattr(plan, "plan", lambda desired, *rest: made(replace(desired, broken=frozenset()), *rest))


def writes_for_nothing_new(patch: MonkeyPatch) -> None:
    patch.setattr(plan, "_repaired", lambda _desired, _observed: True)


def keeps_silent_about_missed_slots(patch: MonkeyPatch) -> None:
    found = due.due

    def silent(*given, **more):
        told = found(*given, **more)
        return replace(told, facts=[fact for fact in told.facts if fact.type != "SlotsMissed"])

    patch.setattr(due, "due", silent)


def tries_again_for_ever(patch: MonkeyPatch) -> None:
    retry = retries.again_at
    patch.setattr(retries, "again_at", lambda run, *rest: retry(replace(run, retries=run.attempt), *rest))


def does_not_see_the_specs_of_this_turn(patch: MonkeyPatch) -> None:
    before = Payloads.new

    def handed(self):
        found = before(self)
        self._handed = {}
        return found

    patch.setattr(Payloads, "new", handed)


def does_not_carry_out_what_it_thought_had_failed(patch: MonkeyPatch) -> None:
    patch.setattr(Loop, "_catch_up", lambda _self: None)


def compares_with_what_is_held_instead_of_what_git_says(patch: MonkeyPatch) -> None:
    made = plan.plan

    def compared(desired, observed, policy):
        held = {name: replace(d, quarantine=None) for name, d in observed.deployments.items()}
        return made(desired, replace(observed, deployments=held), policy)

    patch.setattr(plan, "plan", compared)


def counts_previews_in_the_guard(patch: MonkeyPatch) -> None:
    guard = plan._guard
    patch.setattr(plan, "_guard", lambda desired, seen, *rest: guard(desired, replace(seen, previews={}), *rest))


def forgets_on_release_what_is_accounted_for(patch: MonkeyPatch) -> None:
    released = project._FOLDS["DeploymentReleased"]

    def forgetful(observed, event, touched):
        observed.deployments[event.subject].schedules = ()
        released(observed, event, touched)

    patch.setitem(project._FOLDS, "DeploymentReleased", forgetful)


def accounts_for_slots_by_a_replay(patch: MonkeyPatch) -> None:
    created = project._FOLDS["RunCreated"]

    def accounting(observed, event, touched):
        created(observed, event, touched)
        if event.data["trigger"] == "replay":
            name = event.data["deployment"]
            for rule in observed.deployments[name].schedules if name in observed.deployments else ():
                project._account(observed, name, rule.id, event.at, touched)

    patch.setitem(project._FOLDS, "RunCreated", accounting)


def moves_the_spec_commits_of_previews_with_the_tracked_branch(patch: MonkeyPatch) -> None:
    def touched_files(observed, commits, touched):
        for live in observed.deployments.values():
            if live.declared.file in commits and not live.declared.invalid:
                live.declared.spec_commit = commits[live.declared.file]
                touched.deployments.add(live.name)

    patch.setattr(project, "_touch_files", touched_files)


def moves_what_is_quarantined_with_the_repository(patch: MonkeyPatch) -> None:
    patch.setattr(Version, "held", lambda self: {**self.fields, "source": self.source.json()})


def never_ends_the_time_of_a_preview(patch: MonkeyPatch) -> None:
    patch.setattr(preview, "wake_at", lambda _observed, _now: None)


def previews_again_what_was_over(patch: MonkeyPatch) -> None:
    over = preview._over
    patch.setattr(
        preview, "_over", lambda branch, head, seen, now: not seen.previews[branch].over
        if branch in seen.previews else over(branch, head, seen, now)
    )  # fmt: skip


def applies_previews_again_at_each_start(patch: MonkeyPatch) -> None:
    decide = Previews.decide

    def first(self, observed, *rest):
        if self._wake is None:
            for known in observed.previews.values():
                known.revision = "another"
        decide(self, observed, *rest)

    patch.setattr(Previews, "decide", first)


def lets_a_preview_take_the_name_of_another(patch: MonkeyPatch) -> None:
    patch.setattr(preview, "_misfit", lambda _name, _taken: "")


def plans_previews_only_when_their_branch_moves(patch: MonkeyPatch) -> None:
    patch.setattr(Previews, "stir", lambda _self: None)


def runs_the_code_of_the_tracked_branch_in_previews(patch: MonkeyPatch) -> None:
    patch.setattr(preview, "_pinned", lambda source, _branch, _whole: source)


def does_not_look_at_the_environment_when_nothing_moved(patch: MonkeyPatch) -> None:
    stamp = reading.stamp
    patch.setattr(reading, "stamp", lambda specs, revision, _env=reading.BASE: stamp(specs, revision))


MUTANTS: dict[str, Callable[[MonkeyPatch], None]] = {
    made.__name__: made
    for made in (
        acts_before_the_append,
        answers_before_the_append,
        believes_the_report_of_another_attempt,
        forgets_what_ran_when_it_was_killed,
        leaves_staged_facts_in_memory_when_the_append_fails,
        writes_no_row_for_a_resumed_deployment,
        names_a_slot_again_when_the_clock_is_set_back,
        lets_a_run_into_a_full_pool,
        prunes_what_a_broken_file_held,
        writes_for_nothing_new,
        keeps_silent_about_missed_slots,
        tries_again_for_ever,
        does_not_see_the_specs_of_this_turn,
        does_not_carry_out_what_it_thought_had_failed,
        compares_with_what_is_held_instead_of_what_git_says,
        counts_previews_in_the_guard,
        forgets_on_release_what_is_accounted_for,
        accounts_for_slots_by_a_replay,
        moves_the_spec_commits_of_previews_with_the_tracked_branch,
        moves_what_is_quarantined_with_the_repository,
        never_ends_the_time_of_a_preview,
        previews_again_what_was_over,
        applies_previews_again_at_each_start,
        lets_a_preview_take_the_name_of_another,
        plans_previews_only_when_their_branch_moves,
        runs_the_code_of_the_tracked_branch_in_previews,
        does_not_look_at_the_environment_when_nothing_moved,
    )
}
