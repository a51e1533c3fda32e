"""How far rounding can move a map of the first principal component: what two correct SVDs in float32 may differ by."""

import torch
from torch import Tensor

PASS = 8  # units in the last place by which the activations of two passes differ, relative to their norm


def bound_projections(activations: Tensor) -> Tensor:
    """Bound the rounding of each map (n,) of activations (n, k, h', w'), centred and projected on their first component.

    An SVD in float32 is exact for a matrix M + E, where |E| is about eps sqrt(max(h' w', k)) s1 (Higham and Mary, SIAM J. Sci.
    Comput. 2019) and grows by the rounding of the activations. By Wedin's theorem (BIT 1972) the first right singular vector
    then turns by an angle with sin <= sqrt(2) |E| / (s1 - s2 - |E|), which moves M v by at most (1 - cos) s1 + sin s2. Here
    s1 and s2 are the two largest singular values. If they are nearly equal, the component is not determined, and the bound is
    s1 + s2: the map may be any.
    """
    matrices = activations.double().flatten(2).transpose(1, 2)  # (n, h' w', k)
    centred = matrices - matrices.mean(1, keepdim=True)
    largest = torch.nn.functional.pad(torch.linalg.svdvals(centred), (0, 1))
    first, second = largest[:, 0], largest[:, 1]
    eps = torch.finfo(torch.float32).eps
    terms = max(matrices.shape[1:]) ** 0.5
    error = eps * (terms * first + PASS * matrices.norm(dim=(1, 2)))
    gap = (first - second - error).clamp(min=torch.finfo(torch.float64).tiny)
    sine = (2**0.5 * error / gap).clamp(max=1)
    turned = (1 - (1 - sine**2).sqrt()) * first + sine * second
    return turned + error  # the second term is that of the product M v
