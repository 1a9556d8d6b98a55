"""Whether numbers are numbers."""

import torch


def all_finite(tensor: torch.Tensor) -> bool:
    """Whether no element is NaN or infinite, found without a temporary of the tensor's size."""
    if tensor.numel() == 0:
        return True
    return all(bool(torch.isfinite(end)) for end in torch.aminmax(tensor))
