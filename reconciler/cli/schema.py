"""Print the JSON Schema of a spec file, for editors."""

import json

import click

from reconciler import plugins, steps
from reconciler.core.schema import json_schema


def text() -> str:
    """The schema, with the inputs of every pull step."""
    return json.dumps(json_schema({word: steps.schema(word) for word in plugins.words(steps)}), indent=2)


@click.command()
def command() -> None:
    """Print the JSON Schema of a spec file, for editors.

    Save it beside your specs and name it in their first line: `# yaml-language-server: $schema=spec.schema.json`.
    """
    click.echo(text())
