"""What the overlay of an environment may say, field by field. Filled by core/overlay; read by it and core/schema."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from reconciler.model.spec import Data, Strings, Text, Words

MOST_PATCHES = 1_000


def _told(fault: str) -> PydanticCustomError:
    return PydanticCustomError("told", "{fault}", {"fault": fault})


class Target(Words):
    """What a patch applies to: everything of its kind that fits all that is given, by equality or glob."""

    kind: Literal["deployment", "work_pool"] = Field(default="deployment", description="What is patched.")
    name: Text | None = Field(default=None, max_length=200, description="Its name as written, without the flow's.")
    file: Text | None = Field(default=None, max_length=1_000, description="The path of its spec file.")
    entrypoint: Text | None = Field(default=None, max_length=1_000, description="Of deployments: as written.")
    tags: Strings = Field(default=(), description="Of deployments: any of them.")

    @model_validator(mode="after")
    def _of_its_kind(self) -> Self:
        for field in ("entrypoint", "tags"):
            if self.kind == "work_pool" and getattr(self, field):
                raise _told(f"a work pool has no {field}")
        if self.name and "/" in self.name:
            raise _told("a name here is the deployment's own, without `flow/` before it")
        return self


class Patch(Words):
    """One change of the deployments or work pools that its target names."""

    target: Target = Field(default=Target(), description="What is changed; every deployment unless given.")
    patch: Data | None = Field(default=None, description="A JSON merge patch (RFC 7396) of what the spec file says.")
    delete: bool = Field(default=False, description="Leave it out of this environment.")

    @model_validator(mode="after")
    def _one_change(self) -> Self:
        if self.delete == (self.patch is not None):
            raise _told("needs `patch: {...}` or `delete: true`, one of them")
        return self


class OverlayDocument(Words):
    """The overlay of an environment, but for the deployments and work pools that exist there only."""

    name: str | None = Field(default=None, description="For people.")
    description: str | None = None
    definitions: object = Field(default=None, description="A free area for YAML anchors.")
    variables: Data = Field(default_factory=dict, description="Over the variables of every spec file, key by key.")
    patches: Annotated[tuple[Patch, ...], Field(strict=False, max_length=MOST_PATCHES)] = Field(
        default=(), description="Applied in order; a later one wins."
    )
