"""Where a run was made: machine, versions, commit. Kept with the run; seconds mean nothing without it."""

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

import torch

from ... import __version__

LIBRARIES = ("torch", "torchvision", "numpy", "scipy", "pandas")


def environment(device: torch.device) -> dict[str, str]:
    """What to know of the machine and the software, as words by name."""
    return {
        "cambench": __version__,
        "commit": _commit(),
        "python": platform.python_version(),
        **{name: version(name) for name in LIBRARIES},
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else _processor(),
        "threads": str(torch.get_num_threads()),
        "cores": str(os.cpu_count()),
        "system": f"{platform.system()} {platform.machine()}",
    }


def _processor() -> str:
    capabilities = torch.cpu.get_capabilities()
    units = [name for name in ("avx2", "avx512_f", "avx512_bf16", "amx_bf16") if capabilities.get(name)]
    return f"{capabilities.get('cpu_name') or platform.processor() or platform.machine()} ({', '.join(units)})"


def _commit() -> str:
    """The checkout's commit, with a plus sign where files differ from it; `installed` without a checkout."""
    here = Path(__file__).parents[2]
    if not (here / ".git").exists():
        return "installed"
    try:
        return _git(here, "rev-parse", "--short", "HEAD") + ("+" if _git(here, "status", "--porcelain") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _git(here: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=here, capture_output=True, text=True, check=True).stdout.strip()
