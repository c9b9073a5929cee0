"""Print the script by which a shell completes the verbs and their options."""

import click
from click.shell_completion import get_completion_class

SHELLS = ("bash", "zsh", "fish")
PROGRAM = "reconciler"


@click.command("completion")
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print the completion script of a SHELL, to be read by it at its start.

    \b
    bash:  echo 'eval "$(reconciler completion bash)"' >> ~/.bashrc
    zsh:   echo 'eval "$(reconciler completion zsh)"' >> ~/.zshrc
    fish:  reconciler completion fish > ~/.config/fish/completions/reconciler.fish
    """
    kind = get_completion_class(shell)
    assert kind is not None  # noqa: S101 - the choices above are click's own
    root = ctx.find_root().command
    click.echo(kind(root, {}, PROGRAM, f"_{PROGRAM.upper()}_COMPLETE").source())
