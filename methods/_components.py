"""Principal components of activations."""

import torch
from torch import Tensor


def project_on_first_component(values: Tensor, centred: bool) -> Tensor:
    """Return values (n, k, h', w') projected on their first principal components, of positive sum: (n, h', w')."""
    matrices = values.flatten(2).transpose(1, 2)  # (n, h' w', k)
    if centred:
        matrices = matrices - matrices.mean(1, keepdim=True)
    directions = torch.linalg.svd(matrices, full_matrices=False).Vh[:, 0]
    signs = torch.where(directions.sum(1, keepdim=True) < 0, -1, 1)
    return (matrices @ (signs * directions)[:, :, None]).view(len(values), *values.shape[2:])
