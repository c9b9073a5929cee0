"""What a spec file may say, field by field, with defaults. Filled by core/parse from normalised data; read by everyone.

These are the canonical forms: core/parse turns the other forms that YAML may take (null, a single mapping, `schedule`)
into them first, and core/schema tells editors about those.
"""

from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from reconciler.model.duration import seconds
from reconciler.model.names import MAX_NAME, name_fault
from reconciler.model.plan import Json

T = TypeVar("T")
LABELS = {
    "type": "object",
    "additionalProperties": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]},
}


def _named(name: str) -> str:
    return _judged(name, name_fault(name))


def _timed(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return _judged(value, "must be seconds, or an ISO 8601 duration such as PT10M")
    try:
        seconds(value)
    except ValueError as error:
        return _judged(value, str(error))
    return value


def _worded(text: str) -> str:
    return _judged(text, None if text.strip() else "must not be empty")


def _labelled(value: Any) -> Any:
    return _judged(value, None if isinstance(value, (bool, int, float, str)) else "must be text, a number or a boolean")


def _required(value: Any) -> Any:
    whole = isinstance(value, int) and not isinstance(value, bool) and value > 0
    return _judged(value, None if whole or value in ("any", "all") else "must be a count of triggers, any or all")


def _some(items: tuple[Any, ...]) -> tuple[Any, ...]:
    return _judged(items, None if items else "must not be empty")


def _judged(value: T, fault: str | None) -> T:
    if fault:
        raise PydanticCustomError("told", "{fault}", {"fault": fault})
    return value


Name = Annotated[str, AfterValidator(_named), WithJsonSchema({"type": "string", "minLength": 1, "maxLength": MAX_NAME})]
Text = Annotated[str, AfterValidator(_worded), WithJsonSchema({"type": "string", "minLength": 1})]
Duration = Annotated[Any, AfterValidator(_timed), WithJsonSchema({"type": ["number", "string"], "minimum": 0})]
"""Seconds, or ISO 8601."""
Data = dict[str, Json]
"""Free JSON."""
Label = Annotated[Any, AfterValidator(_labelled), WithJsonSchema({"type": ["boolean", "number", "string"]})]
Strings = Annotated[tuple[str, ...], Field(strict=False)]
Labels = Annotated[dict[str, Strings], WithJsonSchema(LABELS)]
"""Label → the values it may have."""


class Words(BaseModel):
    """The base of every part of a spec: strict types, no unknown keys, frozen."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


class Schedule(Words):
    """When a deployment runs: exactly one of cron, interval and rrule."""

    cron: Text | None = Field(default=None, description="A cron expression, such as `0 9 * * MON-FRI`.")
    interval: Duration | None = Field(default=None, description="Seconds, or an ISO 8601 duration such as `PT1H`.")
    rrule: Text | None = Field(default=None, max_length=6_500, description="An RFC 5545 recurrence rule.")
    timezone: Text | None = Field(default=None, description="An IANA timezone; UTC unless given.")
    anchor_date: Text | None = Field(default=None, description="ISO 8601; an interval counts from it.")
    day_or: bool = Field(default=True, description="Cron: day of month OR day of week where both are restricted.")
    active: bool = Field(default=True, description="Whether it names slots at all.")
    parameters: Data = Field(default_factory=dict, description="Over the deployment's parameters, key by key.")
    slug: Name | None = Field(default=None, description="Its identity: keeps its place when the rule changes.")
    replaces: Name | None = Field(default=None, description="The slug it had before.")
    max_scheduled_runs: int | None = Field(
        default=None, gt=0, description="Read, without effect yet: a run is created when it is due."
    )
    catchup: Literal["none", "latest", "all"] = Field(
        default="none",
        description="What becomes of slots older than a minute: missed (none), the newest runs, or all run.",
    )
    catchup_window: Duration | None = Field(
        default=None, description="How old a slot that is caught up may be; 1 day unless given."
    )
    jitter: Duration | None = Field(
        default=None,
        description="The most by which its runs start after their due; fixed for each deployment.",
    )

    @model_validator(mode="after")
    def _one_rule(self) -> Self:
        given = [word for word in ("cron", "interval", "rrule") if getattr(self, word) is not None]
        if len(given) != 1:
            many = f"has {' and '.join(given)}" if given else "has none"
            _judged(self, f"needs exactly one of cron, interval and rrule; it {many}")
        return self

    def rule(self) -> Data:
        """What the spec gives, without what it leaves at its default: JSON."""
        return {key: value for key, value in self.__dict__.items() if value != _RULE_DEFAULTS[key]}


_RULE_DEFAULTS = {name: field.get_default(call_default_factory=True) for name, field in Schedule.model_fields.items()}


class ConcurrencyLimit(Words):
    """How many runs of the deployment may be active at once, and what happens to the others."""

    limit: int = Field(gt=0, le=1_000_000, description="Active runs at once.")
    collision_strategy: Literal["ENQUEUE", "CANCEL_NEW", "CANCEL_RUNNING"] | None = Field(
        default=None, description="ENQUEUE (it waits) by default; CANCEL_NEW: it goes; CANCEL_RUNNING: the oldest goes."
    )
    grace_period_seconds: int | None = Field(default=None, ge=60, le=86_400, description="Read, without effect yet.")


class WorkPoolChoice(Words):
    """Where the runs of a deployment go."""

    name: Name | None = Field(default=None, description="The work pool; `process` unless given.")
    work_queue_name: Name | None = Field(default=None, description="The queue; `default` unless given.")
    job_variables: Data = Field(default_factory=dict, description="What the pool is told for each run, such as `env`.")


class Step(Words):
    """One pull step: `- word: {id, requires, inputs...}` in YAML."""

    step: Text
    """The short word, such as `git_clone`."""
    id: Name | None = None
    requires: Strings = ()
    inputs: Data = Field(default_factory=dict)


class _Action(Words):
    """What triggers of every type have."""

    name: Name | None = Field(default=None, description="Of the automation it makes.")
    description: str = ""
    enabled: bool = True
    parameters: Data | None = Field(default=None, description="May hold Jinja over `event`.")
    job_variables: Data | None = None
    schedule_after: Duration = 0


class EventTrigger(_Action):
    """Runs the deployment when events are seen, or are not."""

    type: Literal["event"]
    expect: Strings = ()
    after: Strings = ()
    match: Labels = Field(default_factory=dict)
    match_related: Annotated[tuple[Labels, ...], Field(strict=False)] = ()
    for_each: Strings = ()
    posture: Literal["Reactive", "Proactive"] = "Reactive"
    threshold: int = Field(default=1, ge=1)
    within: Duration = 0


class MetricQuery(Words):
    """A measure and the bound it must pass."""

    name: Literal["lateness", "duration", "successes"]
    threshold: float
    operator: Literal["<", "<=", ">", ">="]
    range: Duration = 300
    firing_for: Duration = 300


class MetricTrigger(_Action):
    """Runs the deployment when a measure passes a bound."""

    type: Literal["metric"]
    posture: Literal["Metric"] = "Metric"
    match: Labels = Field(default_factory=dict)
    match_related: Annotated[tuple[Labels, ...], Field(strict=False)] = ()
    metric: MetricQuery


class CompoundTrigger(_Action):
    """Runs the deployment when some of several triggers fire."""

    type: Literal["compound"]
    triggers: Annotated[tuple["Trigger", ...], Field(strict=False), AfterValidator(_some)]
    require: Annotated[Any, AfterValidator(_required), WithJsonSchema({"type": ["integer", "string"]})] = "all"
    within: Duration | None = None


class SequenceTrigger(_Action):
    """Runs the deployment when several triggers fire in order."""

    type: Literal["sequence"]
    triggers: Annotated[tuple["Trigger", ...], Field(strict=False), AfterValidator(_some)]
    within: Duration | None = None


Trigger = Annotated[EventTrigger | MetricTrigger | CompoundTrigger | SequenceTrigger, Field(discriminator="type")]


class Sla(Words):
    """A promise about runs: exactly one of duration, stale_after and within."""

    name: Text
    severity: Literal["minor", "low", "moderate", "high", "critical"] = "moderate"
    enabled: bool = True
    duration: Duration | None = Field(default=None, description="A run completes within so long.")
    stale_after: Duration | None = Field(default=None, description="A run completes at least so often.")
    within: Duration | None = Field(default=None, description="A run starts at most so late.")

    @model_validator(mode="after")
    def _one_promise(self) -> Self:
        if [self.duration, self.stale_after, self.within].count(None) != 2:  # noqa: PLR2004 - one of three is given
            _judged(self, "needs exactly one of duration, stale_after and within")
        return self


class DeploymentSpec(Words):
    """One deployment as its author wrote it, in canonical form."""

    name: Name = Field(description="With the flow's name it makes `flow/deployment`.")
    flow_name: Name | None = Field(default=None, description="Where the code cannot be read; else it must agree.")
    entrypoint: Text = Field(max_length=1_000, description="`path/file.py:function`, or `package.module.function`.")
    path: Text | None = Field(default=None, description="What the entrypoint is relative to.")
    description: str | None = Field(default=None, description="The flow's docstring unless given.")
    version: Text | None = Field(default=None, max_length=MAX_NAME, description="A label instead of the commit.")
    version_type: (
        Literal["prefect:simple", "vcs:github", "vcs:gitlab", "vcs:bitbucket", "vcs:azuredevops", "vcs:git"] | None
    ) = Field(default=None, description="Which host made the commit; found out unless given.")
    tags: Annotated[tuple[Text, ...], Field(strict=False)] = Field(default=(), description="Runs inherit them.")
    labels: dict[str, Label] = Field(default_factory=dict, description="Text, numbers and booleans by name.")
    paused: bool = Field(default=False, description="Its schedules rest.")
    schedules: Annotated[tuple[Schedule, ...], Field(strict=False)] = Field(default=(), description="When it runs.")
    concurrency_limit: ConcurrencyLimit | None = Field(default=None, description="Runs active at once.")
    collision_strategy: Literal["ENQUEUE", "CANCEL_NEW", "CANCEL_RUNNING"] | None = Field(
        default=None, description="What a run does that finds the limit reached; ENQUEUE, to wait, unless given."
    )
    parameters: Data = Field(default_factory=dict, description="Defaults of the flow's parameters.")
    parameter_openapi_schema: Data | None = Field(default=None, description="Instead of the flow's signature.")
    enforce_parameter_schema: bool = Field(default=True, description="Refuse parameters that do not fit the schema.")
    work_pool: WorkPoolChoice = Field(default=WorkPoolChoice(), description="Where its runs go.")
    pull: Annotated[tuple[Step, ...], Field(strict=False)] | None = Field(
        default=None, description="How the source arrives; this repository at the recorded commit unless given."
    )
    triggers: Annotated[tuple[Trigger, ...], Field(strict=False)] = Field(
        default=(), description="Read, without effect yet: events that run it, beside its schedules."
    )
    sla: Annotated[tuple[Sla, ...], Field(strict=False)] = Field(
        default=(), description="Read, without effect yet: promises about its runs."
    )

    @property
    def limit(self) -> int | None:
        """Active runs at once, or None for any number."""
        return self.concurrency_limit.limit if self.concurrency_limit else None

    @property
    def collision(self) -> str:
        """`ENQUEUE`, `CANCEL_NEW` or `CANCEL_RUNNING`."""
        own = self.concurrency_limit.collision_strategy if self.concurrency_limit else None
        return own or self.collision_strategy or "ENQUEUE"


class WorkQueue(Words):
    """A prioritised lane of a work pool."""

    name: Name
    description: str | None = None
    priority: int = Field(default=1, ge=1, le=1_000_000, description="1 goes first, before any of a higher number.")
    concurrency_limit: int | None = Field(default=None, gt=0, le=1_000_000, description="Runs of the queue at once.")
    paused: bool = Field(default=False, description="Its runs wait.")


class WorkPool(Words):
    """A place for runs, declared in git."""

    type: Text = Field(default="process", description="`process`, or `inline`: the same, with nothing kept warm.")
    description: str | None = None
    concurrency_limit: int | None = Field(default=None, gt=0, le=1_000_000, description="Runs of the pool at once.")
    paused: bool = Field(default=False, description="Its runs wait.")
    queues: Annotated[tuple[WorkQueue, ...], Field(strict=False)] = Field(
        default=(), description="Lanes with a priority; `default` is always there, after all others unless declared."
    )
    job_variables: Data = Field(default_factory=dict, description="Defaults of the deployments' job_variables.")
    base_job_template: Data | None = Field(
        default=None, description="Accepted; the defaults of its `variables` count as job_variables."
    )


class Automation(Words):
    """When something happens, do something."""

    name: Text
    description: str = ""
    enabled: bool = True
    tags: Strings = ()
    trigger: Trigger
    actions: Annotated[tuple[dict[str, Any], ...], Field(strict=False)] = ()
    actions_on_trigger: Annotated[tuple[dict[str, Any], ...], Field(strict=False)] = ()
    actions_on_resolve: Annotated[tuple[dict[str, Any], ...], Field(strict=False)] = ()


class SpecDocument(Words):
    """A whole spec file: the grammar of `specs/*.yaml` and of `prefect.yaml`."""

    name: str | None = Field(default=None, description="Of the project; for people.")
    description: str | None = None
    prefect_version: Annotated[
        Any, AfterValidator(_labelled), WithJsonSchema({"type": ["string", "number", "null"]})
    ] = Field(default=None, alias="prefect-version", description="Accepted for the sake of existing files.")
    definitions: Any = Field(default=None, description="A free area for YAML anchors.")
    variables: Data = Field(default_factory=dict, description="Values for `{{ name }}` in this file.")
    build: Any = Field(default=None, description="Continuous integration's business: not run here.")
    push: Any = Field(default=None, description="Continuous integration's business: not run here.")
    pull: Annotated[tuple[Step, ...], Field(strict=False)] | None = Field(
        default=None, description="For every deployment that gives none of its own."
    )
    deployments: Annotated[tuple[DeploymentSpec, ...], Field(strict=False)] = ()
    work_pools: dict[Name, WorkPool] = Field(default_factory=dict, description="Work pools by name.")
    automations: Annotated[tuple[Automation, ...], Field(strict=False)] = Field(
        default=(), description="Read, without effect yet."
    )
