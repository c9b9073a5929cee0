"""Bugs planted on purpose, of every kind that the simulation is there to find. For tests/property/test_simulation."""

from collections.abc import Callable
from dataclasses import replace

from pytest import MonkeyPatch  # noqa: PT013 - the type alone

from reconciler.core import admit, due, plan, project, report, retries
from reconciler.daemon.acts import Acts
from reconciler.daemon.ledger import Ledger
from reconciler.daemon.loop import Loop
from reconciler.daemon.payloads import Payloads
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

    def unbounded(observed, run, taken, places):
        wait = full(observed, run, taken, places)
        return None if wait and wait.startswith("work pool") and "full" in wait else wait

    patch.setattr(admit, "_full", unbounded)


def prunes_what_a_broken_file_held(patch: MonkeyPatch) -> None:
    made = plan.plan
    patch.setattr(plan, "plan", lambda desired, *rest: made(replace(desired, broken=frozenset()), *rest))


def writes_for_nothing_new(patch: MonkeyPatch) -> None:
    patch.setattr(plan, "_repaired", lambda _desired, _observed: True)


def keeps_silent_about_missed_slots(patch: MonkeyPatch) -> None:
    found = due.due

    def silent(*given):
        told = found(*given)
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
    )
}
