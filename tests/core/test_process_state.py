"""What a user's own code changes in the process is put back after each call."""

import os
import random
import signal
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cambench.bench.core import plugins
from cambench.bench.core.errors import PluginError
from cambench.bench.core.plugins import METHOD, Plugin
from cambench.bench.core.process_state import keep_random_state
from cambench.bench.core.user_code import blame_user_code


def make_method(folder: Path, *lines: str) -> Plugin:
    """A method whose function has these lines."""
    body = "".join(f"    {line}\n" for line in lines)
    (folder / "mine.py").write_text(f"def explain(net, images, targets):\n{body}", encoding="utf-8")
    return plugins.find(METHOD, str(folder / "mine.py"))


def read_product_precision() -> str | None:
    """None where torch's newer settings are in use, which its function refuses to sum up."""
    try:
        return torch.get_float32_matmul_precision()
    except RuntimeError:
        return None


def read_state() -> dict[str, Any]:
    return {
        "gradients": torch.is_grad_enabled(),
        "dtype": torch.get_default_dtype(),
        "threads": torch.get_num_threads(),
        "device": torch.get_default_device(),
        "autocast": (torch.is_autocast_enabled("cpu"), torch.get_autocast_dtype("cpu")),
        "products": read_product_precision(),
        "mkldnn alone": torch.backends.mkldnn.matmul.fp32_precision,  # type: ignore[attr-defined]
        "mkldnn": torch.backends.mkldnn.conv.fp32_precision,  # type: ignore[attr-defined]
        "errors": np.geterr(),
        "directory": os.getcwd(),  # noqa: PTH109
        "streams": (sys.stdin, sys.stdout, sys.stderr),
        "recursion": sys.getrecursionlimit(),
        "interrupt": signal.getsignal(signal.SIGINT),
        "hook": sys.excepthook,
    }


CHANGES = {
    "gradients": "import torch; torch.set_grad_enabled(False)",
    "dtype": "import torch; torch.set_default_dtype(torch.float64)",
    "threads": "import torch; torch.set_num_threads(torch.get_num_threads() + 1)",
    "device": "import torch; torch.set_default_device('meta')",
    "autocast": "import torch; torch.set_autocast_enabled('cpu', True); torch.set_autocast_dtype('cpu', torch.float16)",
    "products": "import torch; torch.set_float32_matmul_precision('medium')",
    "mkldnn": "import torch; torch.backends.mkldnn.conv.fp32_precision = 'bf16'",
    "mkldnn alone": "import torch; torch.backends.mkldnn.matmul.fp32_precision = 'bf16'",
    "errors": "import numpy; numpy.seterr(all='raise')",
    "directory": "import os; os.chdir('/')",
    "recursion": "import sys; sys.setrecursionlimit(sys.getrecursionlimit() + 1)",
    "interrupt": "import signal; signal.signal(signal.SIGINT, lambda *_: None)",
    "hook": "import sys; sys.excepthook = None",
    "streams": "import io, sys; sys.stdin = sys.stdout = sys.stderr = io.StringIO()",
}


@pytest.mark.parametrize("raises", [False, True])
@pytest.mark.parametrize("change", CHANGES)
def test_what_a_plugin_changes_is_put_back(tmp_path: Path, change: str, raises: bool) -> None:
    before = read_state()
    method = make_method(tmp_path, CHANGES[change], "raise ValueError" if raises else "return 1")
    if raises:
        with pytest.raises(PluginError, match="line 3 raises ValueError"):
            method(None, None, None)
    else:
        assert method(None, None, None) == 1
    assert read_state() == before


def test_each_change_is_a_change() -> None:
    """Without the guard, the state differs: what the test above shows is the guard's work."""
    before = read_state()
    for change, code in CHANGES.items():
        with blame_user_code("", ""):
            exec(code)
            assert read_state()[change] != before[change]
    assert read_state() == before


def test_a_plugin_cannot_close_the_standard_streams(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_method(tmp_path, "import sys", "sys.stdout.close()", "print('still open')")(None, None, None)
    print("open after it")
    assert capsys.readouterr().out == "still open\nopen after it\n"


def test_a_directory_that_a_plugin_removes_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    make_method(tmp_path, "import os", f"os.rmdir({str(tmp_path / 'gone')!r})")(None, None, None)


def test_a_call_that_outlasts_another_threads_does_not_bring_back_what_that_one_changed(tmp_path: Path) -> None:
    """Thread B enters while thread A has changed the directory, and leaves after A."""
    before, inside, done = os.getcwd(), threading.Event(), threading.Event()  # noqa: PTH109

    def call_b() -> None:
        with blame_user_code("", ""):
            inside.set()
            done.wait(10)

    with blame_user_code("", ""):
        os.chdir(tmp_path)
        thread = threading.Thread(target=call_b)
        thread.start()
        assert inside.wait(10)
    done.set()
    thread.join()
    assert os.getcwd() == before  # noqa: PTH109


def test_the_state_of_the_random_generators_is_kept() -> None:
    def draw() -> list[float]:
        return [random.random(), float(np.random.random()), float(torch.rand(()))]

    with keep_random_state():
        first = draw()
    with keep_random_state():
        assert draw() == first
        assert draw() != first
    assert draw() == first
