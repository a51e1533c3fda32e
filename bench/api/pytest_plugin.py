"""A pytest fixture that keeps a method from getting worse: pytest finds it wherever cambench is installed.

    def test_my_cam(faithfulness):
        faithfulness.check(method="./my_cam.py", net="squeezenet1_1", baseline="baselines/my_cam.baseline")

`pytest --faithfulness-record` writes the baselines, which are committed; without it methods are compared with them.
"""

from collections.abc import Sequence
from pathlib import Path

import pytest

RECORD = "--faithfulness-record"
RECORDED = pytest.StashKey[list[str]]()


class Faithfulness:
    """Checks methods against baselines; file names are relative to pytest's root directory."""

    def __init__(self, config: pytest.Config, directory: Path) -> None:
        self._config, self._directory, self._count = config, directory, 0

    def check(
        self, method: str | Path, net: str, baseline: str | Path, *, metrics: Sequence[str] | None = None,
        dataset: str | None = None, images: int | None = None, protocols: Sequence[str] | None = None,
        device: str = "auto", strict: bool = False,
    ) -> None:  # fmt: skip
        """Runs a method beside the controls of the smoke suite, and fails where anything is worse than the baseline says.

        What is None is the smoke suite's.
        `method` is a spec of bench list or a file; `dataset` a spec or a folder of images; `strict` fails what is unclear too.
        """
        file = self._config.rootpath / baseline
        record = bool(self._config.getoption(RECORD))
        if not record and not file.exists():
            pytest.fail(f"there is no baseline {baseline}: pytest {RECORD} writes it, to be committed", pytrace=False)

        from ..core.errors import UsageError
        from . import check  # torch loads only where a method is checked

        self._count += 1
        try:
            asked = check.Asked(
                method=str(method), net=net, metrics=metrics, dataset=dataset, images=images, protocols=protocols,
                device=device, root=self._config.rootpath,
            )  # fmt: skip
            made = check.run(asked, self._directory / f"run-{self._count}")
            if record:
                self._config.stash[RECORDED].append(check.record(made, file))
                return
            said = check.fault(made, file, strict=strict, remedy=f"pytest {RECORD}")
        except UsageError as error:
            said = str(error)
        if said:
            pytest.fail(said, pytrace=False)


@pytest.fixture
def faithfulness(request: pytest.FixtureRequest, tmp_path: Path) -> Faithfulness:
    """Checks explanation methods against baselines: faithfulness.check(method=..., net=..., baseline=...)."""
    return Faithfulness(request.config, tmp_path)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("cambench")
    group.addoption(
        RECORD, action="store_true", help="Write the baselines of explanation methods instead of comparing."
    )


def pytest_configure(config: pytest.Config) -> None:
    config.stash[RECORDED] = []


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for line in config.stash[RECORDED]:
        terminalreporter.write_line(line)
