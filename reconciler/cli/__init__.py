"""The command line: one verb, one file. A verb is imported only when it is named.

`--help` imports click and os only: it lists this folder and reads the first line of each verb's file.
"""

import os
import sys

import click
from click.shell_completion import CompletionItem

_HERE = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120 - pathlib costs 8 ms at every start


class Verbs(click.Group):
    """The verbs of this folder, by file name."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click asks for it
        """The file names without `_` in front, sorted."""
        return sorted(f[:-3] for f in os.listdir(_HERE) if f.endswith(".py") and not f.startswith("_"))  # noqa: PTH208

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the one file; an unknown verb is answered with the nearest known one."""
        known = self.list_commands(ctx)
        if cmd_name not in known:
            return None
        module = __import__(f"reconciler.cli.{cmd_name}", fromlist=["command"])
        found: click.Command = module.command
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click's, with the nearest verb named in the error."""
        known = self.list_commands(ctx)
        if args and args[0] not in known and not args[0].startswith("-"):
            near = [v for v in known if v.startswith(args[0][:2])]
            hint = f" Did you mean {' or '.join(near)}?" if near else ""
            ctx.fail(f"There is no verb {args[0]!r}.{hint}")
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """As click's, without importing every verb for its help: a person waits for it at each key."""
        verbs = [v for v in self.list_commands(ctx) if v.startswith(incomplete)]
        return [
            *(CompletionItem(v, help=_purpose(v)) for v in verbs),
            *click.Command.shell_complete(self, ctx, incomplete),
        ]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """One line a verb: the first of its file."""
        with formatter.section("Verbs"):
            formatter.write_dl([(verb, _purpose(verb)) for verb in self.list_commands(ctx)])


def _purpose(verb: str) -> str:
    with open(os.path.join(_HERE, f"{verb}.py"), encoding="utf-8") as file:  # noqa: PTH118, PTH123 - as above
        return file.readline().strip().strip('"').rstrip(".")


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="reconciler", message="%(version)s")
@click.option("--repo", "-C", default=".", metavar="PATH", help="A folder in the repository; default: here.")
@click.option("--state-dir", metavar="PATH", help="Where the log lies; default: reconciler/ in the git directory.")
@click.pass_context
def cli(ctx: click.Context, repo: str, state_dir: str | None) -> None:
    """Commit a spec, and it is deployed, scheduled and run at that commit.

    Exit codes: 0 fine or in sync, 1 failed, 2 usage, 3 drift (plan).
    """
    ctx.obj = {"repo": repo, "state_dir": state_dir}


def main() -> None:
    """Run the command; every error of ours is one message and its exit code."""
    try:
        code = cli.main(standalone_mode=False, complete_var="_RECONCILER_COMPLETE")
    except (click.exceptions.Abort, KeyboardInterrupt):
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except Exception as error:
        code = _told(error)
        if code is None:
            raise
    sys.exit(code if isinstance(code, int) else 0)


def _told(error: Exception) -> int | None:
    """Print one of our errors; None for what is a bug."""
    exit_code, hint = getattr(error, "exit_code", None), getattr(error, "hint", None)
    if exit_code is None or hint is None:
        return None
    click.echo(f"error: {_plain(getattr(error, 'message', error))}", err=True)
    if hint:
        click.echo(f"  {_plain(hint)}", err=True)
    return int(exit_code)


def _plain(text: object) -> str:
    """As `plain` of _print, which is not loaded for this: it may quote a repository, to a terminal or a CI's reader."""
    return "".join(c if c.isprintable() else " " if c in "\t\n" else "?" for c in str(text))
