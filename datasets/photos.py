"""Six photos that scikit-image ships, for a first test of a net with ImageNet's classes, without files or a network.

A ginger cat, a cup of espresso, a rocket on its pad, a man with a camera on a tripod, a motorcycle in a garage, an astronaut.
"""

from importlib.resources import files
from pathlib import Path

from ._readers.image_io import Resize, read
from ._readers.lazy_images import LabelledPicture, LazyImages, order_images

VERSION = 1
THREAD_SAFE = True
LABELS = {  # ImageNet's class of each photo; None for a motorcycle and a person, for which ImageNet has no class
    "chelsea.png": "tabby",
    "coffee.png": "espresso",
    "rocket.jpg": "missile",  # closer than projectile, for an upright rocket
    "camera.png": "tripod",
    "motorcycle_left.png": None,
    "astronaut.png": None,
}
CLASSES = tuple(name for name in LABELS.values() if name)


def load(*, size: int = 224, resize: Resize = "crop") -> LazyImages:
    """Return the photos in this order, the cat first, named by their files and without objects; `resize` is as in image_folder.

    The labels are this suite's own and coarse: ginger cats have three classes, of which tabby is one, and the photo of the
    espresso also shows a cup.
    """
    folder = Path(str(files("skimage") / "data"))
    available = [name for name in LABELS if (folder / name).is_file()]  # other versions of scikit-image may ship others

    def read_picture(index: int) -> LabelledPicture:
        label = LABELS[available[index]]
        return LabelledPicture(read(folder / available[index]), None if label is None else CLASSES.index(label))

    return order_images(available, read_picture, CLASSES, order=range(len(available)), size=size, resize=resize)
