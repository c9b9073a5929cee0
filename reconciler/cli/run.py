"""Run a deployment now, at its recorded commit."""

import json
import os
import sys
from typing import Any

import click

from reconciler.cli import _follow
from reconciler.cli._log import deployment, payload, reading
from reconciler.cli._place import Place
from reconciler.cli._print import plain, say, word
from reconciler.core.arguments import MAX_BYTES, parse_option
from reconciler.daemon import client
from reconciler.model.errors import InvalidRequestError
from reconciler.model.ids import instant
from reconciler.model.plan import Json
from reconciler.stores import Log


@click.command("run")
@click.argument("name")
@click.option("-p", "--param", "options", multiple=True, metavar="NAME=VALUE", help="A parameter; may be given again.")
@click.option(
    "--params", "document", metavar="JSON|-", help="Parameters as a JSON object, - for stdin; -p goes over it."
)
@click.option("--name", "label", metavar="TEXT", help="A name for the run, instead of one like quiet-otter.")
@click.option("--tag", "tags", multiple=True, help="A tag beside the deployment's; may be given again.")
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
    key: str | None,
    wait: bool,
) -> None:
    """Run a deployment now, at its recorded commit; prints the run's id once it is recorded.

    A value of -p is read by the parameter's type: text is taken literally, anything else is JSON.
    """
    place = Place.of(obj)
    given = _document(document)
    with reading(place) as log:
        known = deployment(log, name)
        if options:
            schema = (payload(log, known.digest) or {}).get("parameter_openapi_schema")
            given |= dict(parse_option(option, schema) for option in options)
        asked = {"deployment": name, "key": key or os.urandom(16).hex(), "parameters": given, "tags": list(tags)}
        answer = client.ask(place.state, "run", asked | ({"name": label} if label else {}))
        click.echo(answer["run"])
        if wait:
            sys.exit(_wait(log, answer["run"], place))


def _wait(log: Log, run: str, place: Place) -> int:
    """The exit code: 0 when Completed."""
    sys.stdout.flush()
    seen, state = 0, ""
    for _row in _follow.moves(log, run, place):
        for event in log.events(seen, subject=run):
            seen, state = event.seq, event.data.get("state", "Scheduled")
            reason = event.data.get("reason")
            say(f"{instant(event.at)[11:23]}Z  {word(state)}{f': {plain(reason)}' if reason else ''}", err=True)
    return int(state != "Completed")


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
