"""What a new run records of its deployment: the commits and the spec of that moment. Called by due and backfill."""

from reconciler.model.plan import Json
from reconciler.model.state import Deployment, Observed


def pinned_fields(observed: Observed, deployment: Deployment) -> dict[str, Json]:
    """The fields of RunCreated that come from the deployment alone."""
    return {
        "deployment": deployment.name,
        "spec": deployment.digest,
        "spec_commit": deployment.spec_commit,
        "source_commit": deployment.source_commit(observed.whole_commit),
        "version": deployment.version(observed.whole_commit),
        "generation": deployment.generation,
        "tags": deployment.tags,
        "pool": deployment.pool,
        "queue": deployment.queue,
        "retries": deployment.retries,
        "preview": deployment.preview,
    }
