"""The command line, called by tests."""

from click.testing import CliRunner, Result

from cambench.bench.cli.main import main


def bench(*arguments: object) -> Result:
    return CliRunner(catch_exceptions=False).invoke(main, [str(argument) for argument in arguments])


def refused(*arguments: object) -> str:
    """The sentence with which a command is refused; anything but one sentence and exit code 2 fails."""
    result = bench(*arguments)
    assert result.exit_code == 2
    (line,) = [line for line in result.stderr.splitlines() if not line.startswith("Downloading")]
    assert line.startswith("bench: ")
    return line
