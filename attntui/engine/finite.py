"""Whether numbers are numbers."""

import torch


def all_finite(tensor: torch.Tensor) -> bool:
    """Whether no element is NaN or infinite, found without a temporary of the tensor's size."""
    if tensor.numel() == 0 or bool(torch.isfinite(tensor.sum())):
        return True  # half the time of the other; but a sum of large numbers may be infinite
    return all(bool(torch.isfinite(end)) for end in torch.aminmax(tensor))
