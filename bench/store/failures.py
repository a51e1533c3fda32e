"""What failed in a run, in words: images that could not be read, and those on which a net, a method or a metric raised."""

from ..core.formatting import plural
from .run import Run


def sentence(run: Run) -> str | None:
    """How many images failed on how many nets, and the first of them with its reason; None where none did."""
    rows = run.table("failures")
    if not len(rows):
        return None
    first = rows.iloc[0]
    images, nets = rows["image"].nunique(), rows["net"].nunique()
    return (
        f"{plural(images, 'image')} of {len(run.header['data']['images'])} failed on {plural(nets, 'net')}, the first "
        f"{first['image']} on {first['net']}: {first['reason']}" + _uncounted(run, set(rows["image"]))
    )


def _uncounted(run: Run, failed: set[str]) -> str:
    """What else is missing where the first image failed."""
    if run.header["data"]["images"][0] not in failed:
        return ""
    return "; the work and the memory of methods are those of the run's first image, which is among them"
