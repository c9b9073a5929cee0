"""What the facts about previews do to the observed state. Called by core/project."""

from collections.abc import Iterator
from dataclasses import replace

from reconciler.model.errors import ChainBrokenError
from reconciler.model.fact import Event
from reconciler.model.ids import moment
from reconciler.model.state import Observed, Preview


def applied(observed: Observed, event: Event) -> Iterator[str]:
    """A branch is deployed at a commit; the names of its deployments, all of which it may have moved."""
    data, branch = event.data, event.subject
    until, problems = moment(data["until"]), list(data.get("problems", ()))
    observed.previews[branch] = Preview(data["revision"], event.at, until, problems, data["suffix"])
    held, commits = set(data.get("held", ())), data.get("spec_commits") or {}
    for deployment in observed.of_preview(branch).values():
        deployment.invalid = deployment.name in held
        if not deployment.invalid:
            deployment.spec_commit = commits.get(deployment.file, deployment.spec_commit)
            if deployment.source.follows(branch):
                deployment.source = replace(deployment.source, commit=data.get("whole_commit"))
        yield deployment.name


def pruned(observed: Observed, event: Event) -> None:
    """A preview ended; it is forgotten, unless its time is over. Raises ChainBrokenError where there is none."""
    known = observed.previews.get(event.subject)
    if known is None:
        raise ChainBrokenError(f"event {event.seq}: there is no preview of {event.subject!r}")
    if event.data.get("over"):
        observed.previews[event.subject] = replace(known, over=True, problems=[])
    else:
        del observed.previews[event.subject]
