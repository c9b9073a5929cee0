"""What of a deployment can only mean a container or another host. Called by core/declare.

A work pool that no file declares is taken as processes of this host (core/assemble), but not for such a deployment.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from reconciler.core.version import CLONES
from reconciler.model.plan import Json

_WORDS: Final = frozenset(
    # Docker and Kubernetes
    "image image_pull_policy image_pull_secrets networks network_mode auto_remove volumes volume_mounts privileged "
    "registry_credentials docker_registry_credentials container_create_kwargs namespace service_account_name "
    "finished_job_ttl job_manifest node_selector nodeSelector tolerations affinity env_from resources "
    # Amazon, Google, Azure
    "cluster cluster_config task_definition task_definition_arn launch_type execution_role_arn task_role_arn vpc_id "
    "capacity_provider_strategy cloudwatch_logs_options configure_cloudwatch_logs network_configuration family "
    "container_name vpc_connector_name keep_job machine_type accelerator_type accelerator_count resource_group_name "
    "subscription_id aci_credentials image_registry "
    # managed by others
    "pip_packages vm_type".split()
)
_NOT_YET: Final = "and such pools are not there yet: to run it as a process here,"
_SIZES: Final = re.compile(r"(?:cpu|memory|mem|memswap|gpu|pod|container)s?(?:_\w+|[A-Z]\w*)?")
_NOTHING: Final[tuple[Json, ...]] = (None, "", [], {})


def meant(variables: Mapping[str, Json], pull: Sequence[Mapping[str, Json]] | None) -> str:
    """Why its runs cannot be processes of this host as it is written, and what makes them so; empty where they can."""
    for name, value in variables.items():
        if (name in _WORDS or _SIZES.fullmatch(name)) and value not in _NOTHING:
            return f"its job variable `{name}` is for a container or another host, {_NOT_YET} declare it"
    if pull is not None and not any(step["step"] in CLONES for step in pull) and all(map(_fixed, pull)):
        remedy = "remove the `pull` (its code is then this repository) or, where its folder is on this host, declare it"
        return f"its `pull` brings no code, as where an image holds it, {_NOT_YET} {remedy}"
    return ""


def _fixed(step: Mapping[str, Json]) -> bool:
    """Whether a step ends where only an image has a folder: nothing brings files there, and no variable names it."""
    directory = str(step["inputs"].get("directory") or "")
    return step["step"] != "set_working_directory" or "{{" not in directory
