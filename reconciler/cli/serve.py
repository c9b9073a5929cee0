"""Watch the repository, reconcile, schedule and run: the daemon."""

import logging
import sys
from typing import Any

import click

from reconciler.cli._place import Place, settings_of
from reconciler.cli._print import plain
from reconciler.daemon import state_dir, wiring


class _Lines(logging.Formatter):
    """A record is one line: a file's name in a message can forge no other, nor reach the terminal."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the name that logging calls
        """The line; a traceback of ours follows it untouched."""
        record.message = plain(record.message)
        return super().formatMessage(record)


@click.command("serve")
@click.option("--once", is_flag=True, help="Reconcile once, run what is due or queued to its end, then exit.")
@click.option("--branch", metavar="NAME", help="Branch to track; default: the one HEAD named at first start.")
@click.option("--remote", metavar="NAME", help="Fetch this remote and track its branch; the work tree is left alone.")
@click.option("--interval", metavar="TIME", help="Time between fetches, such as 30s (default) or 5m.")
@click.option("--specs", metavar="DIR", help="Directory of spec files (default: specs).")
@click.option("--env", metavar="NAME", help="Environment: its overlay env/NAME.yaml; kept until another is named.")
@click.option("--variable", "variables", multiple=True, metavar="NAME=VALUE", help="For `{{ NAME }}`; once for each.")
@click.option("--prune-limit", metavar="SHARE", help="Share of deployments a revision may prune unasked (0.5).")
@click.option("--on-rewind", type=click.Choice(["accept", "refuse"]), help="When the branch moves back or aside.")
@click.option("--limit", metavar="N", help="Runs at once on this host (default: 8 a processor).")
@click.option("--preview", multiple=True, metavar="PATTERN", help="Deploy these branches too, such as 'feature/*'.")
@click.option("--preview-ttl", metavar="TIME", help="How long after its branch last moved a preview stays (7d).")
@click.option("--notes", is_flag=True, default=None, help="Write run results to git notes (refs/notes/reconciler).")
@click.option("--verbose", "-v", is_flag=True, help="Say more.")
@click.pass_obj
def command(obj: dict[str, Any], /, once: bool, verbose: bool, **flags: Any) -> None:
    """Watch the repository, reconcile, schedule and run: the daemon.

    Stops on SIGTERM within 5 s and leaves runs alive; the next daemon takes them up again.
    """
    output = logging.StreamHandler(sys.stderr)
    output.setFormatter(_Lines("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(handlers=[output], level=logging.DEBUG if verbose else logging.INFO)
    place = Place.of(obj)
    flags["preview"] = flags["preview"] or None
    settings = settings_of(place, flags)
    state = state_dir.prepare(place.state_root, allow_network_fs=settings.allow_network_fs)
    daemon = wiring.build(place.repo, state, settings)
    wiring.stop_on_signals(daemon.stop)
    daemon.start()
    logging.getLogger("reconciler").info("serving %s, branch %s", place.repo.absolute(), daemon.branch)
    if once:
        daemon.stop_when_idle()
    daemon.run()
    if not once:
        logging.getLogger("reconciler").info("stopped; runs that are not over go on, and the next daemon takes them up")
    sys.exit(daemon.exit_code)
