"""A pytest fixture that fails if an explanation method got worse. pytest finds it wherever cambench is installed.

    def test_my_cam(faithfulness):
        faithfulness.check(method="./my_cam.py", net="squeezenet1_1", baseline="baselines/my_cam.baseline")

`pytest --faithfulness-record` writes the baselines, to be committed; without the option, methods are compared with them.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from ..compare.snapshot import Snapshot

RECORD = "--faithfulness-record"
LINES = pytest.StashKey[list[str]]()  # of the summary at the end
RECORDED = pytest.StashKey[set[Path]]()  # the baselines that checks have recorded


class Faithfulness:
    """Checks methods against baselines; file names are relative to pytest's root directory."""

    def __init__(self, config: pytest.Config, directory: Path) -> None:
        self._config, self._directory, self._count = config, directory, 0

    def check(
        self, method: str | Path, net: str, baseline: str | Path, *, metrics: Sequence[str] | None = None,
        dataset: str | None = None, images: int | None = None, protocols: Sequence[str] | None = None,
        device: str = "auto", strict: bool = False,
    ) -> None:  # fmt: skip
        """Run a method beside the controls of the smoke suite; fail the test if anything is worse than in the baseline.

        `method` is a spec or a file, `dataset` a spec or a folder of images; metrics, data set, images and protocols that are
        None are those of the smoke suite. `strict` also fails unclear results, any change beyond a metric's slack, and
        images of the baseline that are not compared. Without it, pytest's summary names unclear results.
        """
        record = bool(self._config.getoption(RECORD))
        file = self._find_file(baseline, record)

        from ..core.errors import BenchError
        from . import check  # imports torch, which is slow, so only when a method is checked

        self._count += 1
        request = check.Check(
            method=str(method), net=net, metrics=metrics, dataset=dataset, images=images, protocols=protocols,
            device=device, root=self._config.rootpath,
        )  # fmt: skip
        try:
            snapshot = check.run_check(request, self._directory / f"run-{self._count}")
            fault, line = ("", self._record(snapshot, file)) if record else _compare(snapshot, file, strict)
        except BenchError as error:
            fault, line = str(error), ""
        self._config.stash[LINES] += [line] if line else []
        if fault:
            pytest.fail(fault, pytrace=False)

    def _find_file(self, baseline: str | Path, record: bool) -> Path:
        """Find the file of a baseline; fail the test if it is missing, or recorded by another check too."""
        file = self._config.rootpath / baseline
        if record and file.resolve() in self._config.stash[RECORDED]:
            pytest.fail(
                f"another check of these tests records {baseline} too: name a baseline of its own", pytrace=False
            )
        if not record and not file.exists():
            pytest.fail(f"there is no baseline {baseline}: pytest {RECORD} writes it; commit the file", pytrace=False)
        return file

    def _record(self, snapshot: "Snapshot", file: Path) -> str:
        """Write a baseline; return a sentence that says so."""
        from . import check

        line = check.write_baseline(snapshot, file)
        self._config.stash[RECORDED].add(file.resolve())
        return line


def _compare(snapshot: "Snapshot", file: Path, strict: bool) -> tuple[str, str]:
    """Compare a run with a baseline. Return why the test fails, and a line on results that are unclear, or empty texts."""
    from . import check

    comparison = check.compare_with_baseline(snapshot, file, strict=strict, remedy=f"pytest {RECORD}")
    return check.format_comparison(comparison) if comparison.failed else "", check.describe_unclear(comparison)


@pytest.fixture
def faithfulness(request: pytest.FixtureRequest, tmp_path: Path) -> Faithfulness:
    """Check explanation methods against baselines: faithfulness.check(method=..., net=..., baseline=...)."""
    return Faithfulness(request.config, tmp_path)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("cambench")
    group.addoption(
        RECORD, action="store_true", help="Write the baselines of explanation methods instead of comparing."
    )


def pytest_configure(config: pytest.Config) -> None:
    config.stash[LINES] = []
    config.stash[RECORDED] = set()


def pytest_terminal_summary(terminalreporter: "pytest.TerminalReporter", config: pytest.Config) -> None:
    for line in config.stash[LINES]:
        terminalreporter.write_line(line)
