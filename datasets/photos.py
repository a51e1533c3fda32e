"""Six photos that scikit-image ships, for a first look with a net of ImageNet's classes: no file, no network.

A ginger cat, a cup of espresso, a rocket on its pad, a man with a camera on a tripod, a motorcycle in a garage, an astronaut.
"""

from importlib.resources import files
from pathlib import Path

from ._readers.image_io import Resize, read
from ._readers.lazy_images import Found, Photos, ordered

VERSION = 1
LABELS = {  # the class of ImageNet that says what the photo is of; it has none for a motorcycle, nor for a person
    "chelsea.png": "tabby",
    "coffee.png": "espresso",
    "rocket.jpg": "missile",  # nearer than projectile: an upright rocket
    "camera.png": "tripod",
    "motorcycle_left.png": None,
    "astronaut.png": None,
}
CLASSES = tuple(name for name in LABELS.values() if name)


def load(*, size: int = 224, resize: Resize = "crop") -> Photos:
    """The photos in this order, the cat first; `resize` is as image_folder has it.

    Labels are ours and coarse: of a ginger cat's three classes tabby is one, and of the espresso a cup is seen too.
    """
    folder = Path(str(files("skimage") / "data"))
    here = [name for name in LABELS if (folder / name).is_file()]  # another version may ship others

    def look(index: int) -> Found:
        label = LABELS[here[index]]
        return Found(read(folder / here[index]), None if label is None else CLASSES.index(label))

    return ordered(here, look, CLASSES, order=range(len(here)), size=size, resize=resize)
