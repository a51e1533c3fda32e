"""The state of the process: kept while the user's own code runs, and what a signal to end does."""

import contextlib
import os
import random
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from functools import cache, partial
from types import ModuleType
from typing import Any

# A library that is not imported has no state, and importing torch takes seconds: both are taken from sys.modules.
Mode = tuple[Callable[[], Any], Callable[[Any], Any]]  # reads it, sets it
_NOTHING = contextlib.nullcontext()


class _OpenStream:
    """A standard stream that cannot be closed."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def close(self) -> None:
        """Do nothing: the stream belongs to the process."""

    def detach(self) -> Any:
        """Refuse, as a stream does that has nothing below it."""
        raise OSError("the standard streams belong to the process")


class _Shared:
    """What all threads share: the working directory and the standard streams.

    Data sets are read by several threads, so both are kept from the moment when the first thread calls the user's code until
    the last has returned.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._callers = 0
        self._directory: str | None = None
        self._streams: tuple[Any, Any, Any] = (None, None, None)
        self._open: tuple[Any, Any, Any] = (None, None, None)  # the same streams, which cannot be closed

    def enter(self) -> None:
        with self._lock:
            if not self._callers:
                self._directory = _find_directory()
                self._replace_streams()
            self._callers += 1

    def leave(self) -> None:
        with self._lock:
            self._callers -= 1
            if self._directory is not None and _find_directory() != self._directory:
                with contextlib.suppress(OSError):  # the user's code removed it
                    os.chdir(self._directory)
            sys.stdin, sys.stdout, sys.stderr = self._open if self._callers else self._streams

    def _replace_streams(self) -> None:
        streams = sys.stdin, sys.stdout, sys.stderr
        if streams != self._streams:
            self._streams = streams
            stdin, stdout, stderr = (stream and _OpenStream(stream) for stream in streams)
            self._open = stdin, stdout, stderr
        sys.stdin, sys.stdout, sys.stderr = self._open


def _find_directory() -> str | None:
    """Return the working directory; None if it was removed."""
    try:
        return os.getcwd()  # noqa: PTH109  pathlib is three times as slow
    except OSError:
        return None


_SHARED = _Shared()


class KeepModes:
    """Put back what the code inside changes in the process. It takes about 20 microseconds.

    Kept are torch's modes, number of threads, default dtype and device, autocast and precision of products, numpy's error
    state, the working directory, the standard streams, the recursion limit, and what Ctrl-C and an uncaught exception do.
    """

    def __enter__(self) -> None:
        """Remember the state."""
        _SHARED.enter()
        numpy = sys.modules.get("numpy")
        self._errors = _NOTHING if numpy is None else numpy.errstate()
        self._errors.__enter__()
        self._modes = [(read(), read, change) for read, change in _list_modes()]

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object, /) -> None:
        """Put the state back."""
        for mode, read, change in self._modes:
            if read() != mode:
                change(mode)
        self._errors.__exit__(None, None, None)
        _SHARED.leave()


def _list_modes() -> tuple[Mode, ...]:
    """List the modes of Python, and those of torch if it is imported."""
    torch = sys.modules.get("torch")
    return _PYTHON_MODES if torch is None else _PYTHON_MODES + _list_torch_modes(torch)


FP32 = "fp32_precision"


def _set_handler(number: int, handler: Any) -> None:
    """Set what a signal does. Only the main thread can, so that nothing has changed it in another."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(number, handler)


@contextlib.contextmanager
def interrupt_on_termination() -> Iterator[None]:
    """Let SIGTERM, by which schedulers end a job, interrupt the code inside as Ctrl-C does."""
    with keep_termination_handler():
        if signal.getsignal(signal.SIGTERM) == signal.SIG_DFL:
            _set_handler(signal.SIGTERM, signal.default_int_handler)
        yield


@contextlib.contextmanager
def keep_termination_handler() -> Iterator[None]:
    """Put back what SIGTERM does, which a library that is called inside may change."""
    handler = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        _set_handler(signal.SIGTERM, handler)


def _set_exception_hook(hook: Any) -> None:
    sys.excepthook = hook


_PYTHON_MODES: tuple[Mode, ...] = (
    (sys.getrecursionlimit, sys.setrecursionlimit),
    (partial(signal.getsignal, signal.SIGINT), partial(_set_handler, signal.SIGINT)),
    (partial(getattr, sys, "excepthook", None), _set_exception_hook),
)


@cache
def _list_torch_modes(torch: ModuleType) -> tuple[Mode, ...]:
    return (
        (torch.is_grad_enabled, torch.set_grad_enabled),
        (torch.get_default_dtype, torch.set_default_dtype),
        (torch.get_num_threads, torch.set_num_threads),
        (partial(_find_default_device, torch), torch.set_default_device),
        (partial(_find_product_precision, torch), partial(_set_product_precision, torch)),
        *_list_autocast_modes(torch),
        *_list_precisions(torch),
    )


def _find_product_precision(torch: ModuleType) -> str | None:
    """Return the precision of float32 products; None where torch's newer settings of it are in use, which it tells apart."""
    try:
        return str(torch.get_float32_matmul_precision())
    except RuntimeError:
        return None


def _set_product_precision(torch: ModuleType, precision: str | None) -> None:
    if precision is not None:
        torch.set_float32_matmul_precision(precision)


def _list_autocast_modes(torch: ModuleType) -> Iterator[Mode]:
    for device in ("cpu", "cuda"):
        yield partial(torch.is_autocast_enabled, device), partial(torch.set_autocast_enabled, device)
        yield partial(torch.get_autocast_dtype, device), partial(torch.set_autocast_dtype, device)


def _list_precisions(torch: ModuleType) -> Iterator[Mode]:
    """List in which precision a CPU computes float32 products, where this version of torch has the setting.

    On a GPU, forward passes set their own (see forward/device.py).
    """
    cpu = getattr(torch.backends, "mkldnn", None)
    for backend in (cpu, getattr(cpu, "matmul", None), getattr(cpu, "conv", None)):
        if hasattr(backend, FP32):
            yield partial(getattr, backend, FP32), partial(setattr, backend, FP32)


def _find_default_device(torch: ModuleType) -> Any:
    """Return the default device if one was set. torch's own function takes longer than all else that is kept."""
    context = getattr(getattr(torch, "_GLOBAL_DEVICE_CONTEXT", None), "device_context", None)
    return context and context.device


@contextlib.contextmanager
def keep_random_state() -> Iterator[None]:
    """Put back the state of the global random generators of Python, numpy and torch, which takes half a millisecond."""
    states = [(read(), change) for read, change in _list_generators()]
    torch = sys.modules.get("torch")
    had_cuda = torch is not None and torch.cuda.is_initialized()
    try:
        yield
    finally:
        for state, change in states:
            change(state)
        if torch is not None and torch.cuda.is_initialized() and not had_cuda:
            torch.cuda.manual_seed_all(torch.initial_seed())  # as torch does when a GPU is first used


def _list_generators() -> Iterator[Mode]:
    """List the random generators: Python's, and those of numpy, torch and the GPU in use, if they are imported."""
    yield random.getstate, random.setstate
    if numpy := sys.modules.get("numpy"):
        yield numpy.random.get_state, numpy.random.set_state
    if torch := sys.modules.get("torch"):
        yield torch.get_rng_state, torch.set_rng_state
        if torch.cuda.is_initialized():
            yield torch.cuda.get_rng_state_all, torch.cuda.set_rng_state_all
        if torch.backends.mps.is_available():
            yield torch.mps.get_rng_state, torch.mps.set_rng_state
