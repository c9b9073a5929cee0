"""Run a deployment now, or later, at its recorded commit."""

import json
import os
import sys
from typing import Any

import click

from reconciler.cli import _clock, _when
from reconciler.cli._log import deployment, payload, reading
from reconciler.cli._place import Place
from reconciler.cli._wait import wait as wait_for
from reconciler.core.arguments import MAX_BYTES, options_of, parse_variable
from reconciler.daemon import client
from reconciler.model.errors import InvalidRequestError
from reconciler.model.ids import instant
from reconciler.model.plan import Json


@click.command("run")
@click.argument("name")
@click.option("-p", "--param", "options", multiple=True, metavar="NAME=VALUE", help="A parameter; may be given again.")
@click.option(
    "--params", "document", metavar="JSON|-", help="Parameters as a JSON object, - for stdin; -p goes over it."
)
@click.option("--name", "label", metavar="TEXT", help="A name for the run, instead of one like quiet-otter.")
@click.option("--tag", "tags", multiple=True, help="A tag beside the deployment's; may be given again.")
@click.option("--label", "labels", multiple=True, metavar="NAME=TEXT", help="A label; may be given again.")
@click.option("--at", metavar="TIME", help="Start then: 2024-03-09T09:00 is your local time, an offset or Z is obeyed.")
@click.option("--in", "within", metavar="DURATION", help="Start so much later: 30s, 5m, 1h30m, 2d, PT5M.")
@click.option(
    "--job-variable",
    "variables",
    multiple=True,
    metavar="NAME=VALUE",
    help="For this run, over the deployment's (env key by key); JSON or text; may be given again.",
)
@click.option("--key", metavar="TEXT", help="Asking again with the same key gives the first run again.")
@click.option("--wait", is_flag=True, help="Wait for its end, telling its states; exit 1 unless Completed.")
@click.pass_obj
def command(
    obj: dict[str, Any],
    *,
    name: str,
    options: tuple[str, ...],
    document: str | None,
    label: str | None,
    tags: tuple[str, ...],
    labels: tuple[str, ...],
    at: str | None,
    within: str | None,
    variables: tuple[str, ...],
    key: str | None,
    wait: bool,
) -> None:
    """Run a deployment now, or later, at the commit recorded now; prints the run's id once it is recorded.

    A value of -p is read by the parameter's type: text is taken literally, anything else is JSON.
    """
    place = Place.of(obj)
    for option, text in (("--key", key), ("--name", label)):
        if text == "":
            raise InvalidRequestError(f"{option} is empty", hint="give it a text, or leave it out")
    given = _document(document)
    with reading(place) as log:
        known = deployment(log, name)
        if options:
            given |= options_of(options, payload(log, known.digest))
        due = _when.start(at, within, _clock.now())
        asked = {
            "deployment": name,
            "key": key or os.urandom(16).hex(),
            "parameters": given,
            "tags": list(tags),
            "labels": dict(map(_label, labels)),
            "variables": dict(map(parse_variable, variables)),
        }
        asked |= {"name": label} if label else {}
        answer = client.ask(place.state, "run", asked | ({"due": instant(due)} if due else {}))
        if due:
            _when.told(due)
        click.echo(answer["run"])
        if wait:
            sys.exit(wait_for(log, answer["run"], place))


def _label(text: str) -> tuple[str, str]:
    """The name and the text of --label. Raises InvalidRequestError."""
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise InvalidRequestError(f"--label: {text!r} is not of the form name=text", hint="write --label team=data")
    return name, value


def _document(text: str | None) -> dict[str, Json]:
    """The object of --params. Raises InvalidRequestError."""
    if text is None:
        return {}
    where = "--params"
    if text == "-":
        where, text = "stdin", sys.stdin.read(MAX_BYTES + 1)
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidRequestError(
            f"{where}: not JSON: {error}", hint="""write --params '{"name": "value"}'"""
        ) from None
    if not isinstance(value, dict):
        raise InvalidRequestError(f"{where}: parameters are an object", hint="""write --params '{"name": "value"}'""")
    return value
