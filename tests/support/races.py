"""A race whose scores are known: a tiny net, images of one colour each, and methods whose maps have a mean of their own."""

from pathlib import Path

NET = '''"""A tiny net."""

from torch import manual_seed, nn


def make():
    manual_seed(0)
    body = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.ReLU())
    return nn.Sequential(*body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)).eval()
'''
DATA = '''"""Images of one colour each."""

from pathlib import Path

import numpy as np

from cambench import Image

COUNT = {images}


class Colours:
    classes = ()

    def name(self, index):
        return f"{{index:03}}"

    def __len__(self):
        return COUNT

    def __getitem__(self, index):
        if index in {broken} and not Path({mended!r}).exists():
            raise ValueError("broken")
        return Image(self.name(index), np.full((16, 16, 3), index % 256, np.uint8), None)


def load():
    return Colours()
'''
METHOD = '''"""{name}: maps with a mean of {level}, more or less by the image."""

from pathlib import Path

from torch import ones

CONTROL = {control}


def explain(net, images, targets):
    shades = (images.mean((1, 2, 3)) * 255).round()
    for shade in shades.tolist():
        with Path({log!r}).open("a") as file:
            file.write(f"{name} {{int(shade)}}\\n")
    return ({level} + (shades * {factor} % 7 - 3)[:, None, None] / 200) * ones(len(images), 4, 4)
'''
METRIC = '''"""Mean: that of the map."""

BETTER, UNIT, RANGE, SHORT = "higher", "mean", (0.0, 1.0), "mean"


def score(case):
    return float(case.raw.mean())
'''
LEVELS = {"good": 0.8, "fair": 0.7, "poor": 0.3, "control": 0.2}


def write(folder: Path, images: int = 120, broken: tuple[int, ...] = ()) -> list[str]:
    """Write the files, and return the options of `bench choose` that use them.

    The file `log` gets a line for each map that is made. The broken images fail until there is a file `mended`.
    """
    folder.mkdir(exist_ok=True)
    files = {
        "net.py": NET,
        "colours.py": DATA.format(images=images, broken=broken, mended=str(folder / "mended")),
        "mean_of_map.py": METRIC,
    }
    for number, (name, level) in enumerate(LEVELS.items()):
        filled = {"name": name, "level": level, "factor": number + 1, "control": name == "control"}
        files[f"{name}.py"] = METHOD.format(log=str(folder / "log"), **filled)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    methods = ",".join(str(folder / f"{name}.py") for name in LEVELS)
    return [
        "--nets", f"{folder / 'net.py'}:make", "--dataset", str(folder / "colours.py"), "--methods", methods,
        "--precision", "fp32",
    ]  # fmt: skip


def read_log(folder: Path) -> list[str]:
    """The maps that were made, as `method shade`."""
    return (folder / "log").read_text(encoding="utf-8").splitlines()
