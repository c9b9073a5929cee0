"""Print the JSON Schema of a spec file, for editors."""

import json

import click

from reconciler.core.schema import json_schema


@click.command()
def command() -> None:
    """Print the JSON Schema of a spec file, for editors.

    Save it beside your specs and name it in their first line: `# yaml-language-server: $schema=spec.schema.json`.
    """
    click.echo(json.dumps(json_schema(), indent=2))
