"""Call the command line in tests."""

from click.testing import CliRunner, Result

from cambench.bench.cli.main import main


def bench(*arguments: object) -> Result:
    """Run `bench` with these arguments; an exception other than its own errors is raised."""
    return CliRunner(catch_exceptions=False).invoke(main, [str(argument) for argument in arguments])


def refused(*arguments: object) -> str:
    """The error message of a command; asserts that the command exits with code 2 and prints one line."""
    result = bench(*arguments)
    assert result.exit_code == 2
    (line,) = [line for line in result.stderr.splitlines() if not line.startswith("Downloading")]
    assert line.startswith("bench: ")
    return line
