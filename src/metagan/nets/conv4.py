"""The four-block convolutional network of few-shot learning."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from metagan.parameters import Pooling

Statistics = list[tuple[Tensor, Tensor]]
"""Mean and variance of each block's channels, each (1, width, 1, 1)."""
EPSILON = 1e-5


class Conv4(nn.Module):
    """(N, channels, H, W) -> (N, outputs) logits, or (N, feature_size) features without `outputs`; H and W at least 16.

    With `max`, 3x3 filters, ReLU and 2x2 max-pooling (Vinyals et al. 2016, section 4.1.1; Snell et al. 2017); with
    `stride`, stride 2 and at last the mean over positions (Finn et al. 2017, section 5.2). BatchNorm has no buffers,
    so that the network is a function of parameters and images alone.
    """

    def __init__(self, channels: int, width: int, image_size: int, outputs: int = 0, pooling: Pooling = "stride"):
        super().__init__()
        self.pooling = pooling
        stride = 2 if pooling == "stride" else 1
        inputs = [channels, width, width, width]
        self.convolutions = nn.ModuleList(
            nn.Conv2d(size, width, 3, stride=stride, padding=1, bias=False) for size in inputs
        )
        self.norms = nn.ModuleList(BatchNorm(width) for _ in inputs)
        self.feature_size = width if pooling == "stride" else width * (image_size // 16) ** 2
        self.head = nn.Linear(self.feature_size, outputs) if outputs else nn.Identity()
        # Convolutions and max-pooling take half the time on a CPU. The types of `to` know no memory format by itself.
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, images: Tensor, statistics: Statistics | None = None, found: Statistics | None = None) -> Tensor:
        """BatchNorm takes `statistics`, else those of the batch, which are appended to `found`."""
        values = images if is_mapped(images) else channels_last(images)
        for block, (convolution, norm) in enumerate(zip(self.convolutions, self.norms, strict=True)):
            assert isinstance(convolution, nn.Conv2d) and isinstance(norm, BatchNorm)
            if statistics:
                scale, shift = norm(*statistics[block])
                # One pass over the pixels in place of two.
                weight, bias = scale.view(-1, 1, 1, 1) * convolution.weight, shift.flatten()
                values = F.conv2d(values, weight, bias, convolution.stride, convolution.padding)
            else:
                values = norm.of_the_batch(convolution(values), found)
            if self.pooling == "max":
                values = F.max_pool2d(values, 2)
            values = values.relu()
        return self.head(values.mean((2, 3)) if self.pooling == "stride" else values.flatten(1))


class BatchNorm(nn.Module):
    """BatchNorm without buffers."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width))

    def forward(self, mean: Tensor, variance: Tensor) -> tuple[Tensor, Tensor]:
        """Statistics (1, width, 1, 1) -> scale and shift of the same shape."""
        scale = self.weight.view(-1, 1, 1) * (variance + EPSILON).rsqrt()
        return scale, self.bias.view(-1, 1, 1) - mean * scale

    def of_the_batch(self, values: Tensor, found: Statistics | None = None) -> Tensor:
        """(N, width, H, W), normalised by its own statistics, which are appended to `found`."""
        if found is None and not is_mapped(values):
            # Half the time of the lines below, but its statistics have no gradient, and under `vmap` its second
            # derivative is wrong (torch 2.13).
            return torch.batch_norm(values, self.weight, self.bias, None, None, True, 0.0, EPSILON, True)
        found = [] if found is None else found
        found.append(moments(values))
        scale, shift = self(*found[-1])
        return torch.addcmul(shift, values, scale)


def moments(values: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and biased variance of the channels of (N, C, H, W)."""
    # Sums: the gradient of a mean divides at every pixel, and takes half as long again. Two passes: the mean of the
    # squares less the square of the mean would lose a variance that is small beside the mean.
    share = values.shape[1] / values.numel()
    mean = values.sum((0, 2, 3), keepdim=True) * share
    return mean, (values - mean).square().sum((0, 2, 3), keepdim=True) * share


def channels_last(images: Tensor) -> Tensor:
    """The same images, in the layout in which a convolution gives it on whatever that of its weights is."""
    if images.shape[1] == 1:  # is in it whatever its strides, which are what a convolution asks
        return images.squeeze(1).unsqueeze(-1).movedim(-1, 1)
    return images.contiguous(memory_format=torch.channels_last)


def is_mapped(values: Tensor) -> bool:
    """Whether `vmap` maps over it."""
    functorch = torch._C._functorch
    while functorch.is_functorch_wrapped_tensor(values):
        if functorch.is_batchedtensor(values):
            return True
        values = functorch.get_unwrapped(values)
    return False
