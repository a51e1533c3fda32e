"""How the command line refuses."""

from typing import Any

import click

from ..core.errors import UsageError


class Refusals(click.Group):
    """Turns what was asked wrongly into one sentence and exit code 2; all else that is raised is a bug and is shown."""

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except UsageError as error:
            click.echo(f"bench: {error}", err=True)
            context.exit(2)
        except KeyboardInterrupt:
            click.echo("bench: interrupted; the same command goes on", err=True)
            context.exit(130)
