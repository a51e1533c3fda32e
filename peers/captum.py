"""captum: Grad-CAM maps, and infidelity and maximal sensitivity of the same maps under the same perturbations."""

from collections.abc import Iterator

from torch import Tensor

from ..bench import ours
from ..bench.conform import FEW, Quantity, in_shares
from ..bench.nets import Net
from ..bench.protocol import DEFAULT

REQUIRES = ("captum",)
EXTRA = "peers"


def compare(net: Net, images: Tensor, targets: Tensor) -> Iterator[Quantity]:
    """Grad-CAM is the library's with relu_attributions, which it leaves off by default."""
    from captum.attr import LayerGradCam

    whole = ours.whole(net)
    library = LayerGradCam(whole, whole.get_submodule(net.layer))
    theirs = library.attribute(ours.normalised(net, images), targets, relu_attributions=True)[:, 0].detach()
    yield Quantity("grad_cam", DEFAULT, *in_shares(ours.maps("grad_cam", net, images, targets), theirs), FEW)
