"""Principal components of activations."""

import torch
from torch import Tensor


def project_on_first_component(values: Tensor, centred: bool) -> Tensor:
    """Project values (k, h', w') on their first principal component, whose entries have a positive sum: (h', w')."""
    matrix = values.flatten(1).T  # (h' w', k)
    if centred:
        matrix = matrix - matrix.mean(0)
    direction = torch.linalg.svd(matrix, full_matrices=False).Vh[0]
    sign = torch.where(direction.sum() < 0, -1, 1)
    return (matrix @ (sign * direction)).view(values.shape[1:])
