"""Print the JSON Schema of a spec file, or of an overlay, for editors."""

import json

import click

from reconciler import plugins, steps
from reconciler.core.schema import json_schema, overlay_schema


def text(*, overlay: bool = False) -> str:
    """The schema, with the inputs of every pull step."""
    make = overlay_schema if overlay else json_schema
    return json.dumps(make({word: steps.schema(word) for word in plugins.words(steps)}), indent=2)


@click.command()
@click.option("--overlay", is_flag=True, help="Of the overlay of an environment, env/NAME.yaml.")
def command(*, overlay: bool) -> None:
    """Print the JSON Schema of a spec file, or of an overlay, for editors.

    Save it beside your specs and name it in their first line: `# yaml-language-server: $schema=spec.schema.json`.
    """
    click.echo(text(overlay=overlay))
