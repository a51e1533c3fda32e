"""The command line. Each command is imported only when it is called, so that help and error messages appear at once."""

import io
import os
import signal
import sys
import warnings
from importlib import import_module
from typing import Any, NamedTuple

import click

from ..core.errors import INTERRUPTED, BenchError, UsageError, clean, read_message, show_value
from ..core.files import FULL, describe_os_error
from ..core.process_state import interrupt_on_termination
from ..core.version import __version__


class Origin(NamedTuple):
    """Where a command is defined, and the first line of its help."""

    module: str
    function: str
    help: str


COMMANDS = {
    "baseline": Origin("compare", "baseline", "Write a run's baseline: a small text file to commit, for bench compare."),
    "choose": Origin("choose", "choose", "Choose a method: a race, in which methods drop out once they are surely behind."),
    "compare": Origin("compare", "compare", "Compare two runs, or a baseline and a run: what got worse, image by image."),
    "conform": Origin("conform", "conform", "Compare this suite's maps and scores with those of reference libraries."),
    "explain": Origin("explain", "explain", "Explain photos: draw the map of each method for the classes a network predicts."),
    "fit": Origin("fit", "fit", "Fit a network that plain CAM applies to: VGG16 with global average pooling."),
    "history": Origin("compare", "history", "Show each metric over many runs or baselines, and where it changed."),
    "list": Origin("listing", "list_", "List networks, methods, metrics, data sets, protocols, suites and all other plug-ins."),
    "plan": Origin("plan", "plan", "Forecast the time and disk space of a run on 1, 8 and 64 devices."),
    "report": Origin("report", "report", "Report a run as a page, or print it as Markdown, CSV, LaTeX or JSON."),
    "run": Origin("run", "run", "Run a suite: explain images on networks, score the maps, measure the cost."),
    "show": Origin("show", "show", "Show what a method, metric, data set, net, protocol or suite is."),
}  # fmt: skip


FOREIGN_OPTIONS = {  # options of other tools, and what is meant here
    "--limit": "--images", "--num-images": "--images", "--max-images": "--images", "--num-samples": "--images",
    "--model": "--net", "--arch": "--net", "--architecture": "--net", "--network": "--net", "--checkpoint": "--weights",
    "--data": "--dataset", "--data-dir": "--dataset", "--input": "--dataset", "--algorithm": "--methods",
    "--output-dir": "--out", "--out-dir": "--out", "--save-dir": "--out", "--output": "--out", "--layers": "--layer",
    "--target-layer": "--layer", "--class": "--target", "--gpu": "--device", "--cuda": "--device", "--jobs": "--workers",
    "--dtype": "--precision", "--colormap": "--colours", "--colors": "--colours", "--alpha": "--opacity",
}  # fmt: skip


class LazyGroup(click.Group):
    """Imports a command when it is called. Prints a BenchError as one sentence and exits with code 2."""

    def list_commands(self, context: click.Context) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:  # noqa: ARG002
        if name not in COMMANDS:
            return None
        module = import_module(f".{COMMANDS[name].module}", __package__)
        command: click.Command = getattr(module, COMMANDS[name].function)
        return command

    def resolve_command(self, context: click.Context, args: list[str]) -> Any:
        for argument in args:
            _check_encoding(argument)
        return super().resolve_command(context, args)

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in COMMANDS.items()])

    def invoke(self, context: click.Context) -> Any:
        with interrupt_on_termination():
            return self._invoke(context)

    def _invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except click.UsageError as error:
            known = _name_known_option(error) if isinstance(error, click.NoSuchOption) else error
            raise click.UsageError(clean(known.format_message()), known.ctx) from None  # it shows what was given
        except BenchError as error:
            click.echo(f"bench: {read_message(error)}", err=True)
            context.exit(2)
        except OSError as error:
            if error.filename is None and error.errno not in FULL:
                raise
            click.echo(f"bench: {describe_os_error(error)}", err=True)
            context.exit(2)
        except KeyboardInterrupt:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C would show where the interpreter is
            click.echo("bench: interrupted; run the same command to resume", err=True)
            context.exit(INTERRUPTED)


def _name_known_option(error: click.NoSuchOption) -> click.NoSuchOption:
    """Return the error for an unknown option, with the option of the command that other tools call by this name."""
    known = FOREIGN_OPTIONS.get(error.option_name.replace("_", "-"), "")
    options = {option for each in error.ctx.command.params for option in each.opts} if error.ctx else set()
    if known not in options:
        return error
    return click.NoSuchOption(error.option_name, f"No such option {error.option_name!r}: use {known}.", ctx=error.ctx)


def _check_encoding(argument: str) -> None:
    """Raise UsageError for an argument that no record could hold and that is no file's name."""
    is_text = "\0" not in argument and argument.encode(errors="replace").decode() == argument
    if not is_text and ("\0" in argument or not os.path.lexists(argument)):
        raise UsageError(f"{show_value(argument)} is not text in UTF-8: rename the file")


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="bench")
def main() -> None:
    """Which explanation method should I trust on this network, and what does it cost?"""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal's encoding may lack an arrow or a name's letters
            stream.reconfigure(errors="backslashreplace")
    warnings.filterwarnings("ignore", module=r"PIL\.")  # of a damaged picture, which fails or is read all the same


if __name__ == "__main__":
    main()
