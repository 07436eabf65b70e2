"""The four-block convolutional classifier of few-shot learning, with strides in place of pooling."""

from __future__ import annotations

from torch import Tensor, nn


class Conv4(nn.Module):
    """(N, channels, H, W) -> (N, n_way) logits, H and W at least 2.

    As MAML has it for Omniglot (Finn et al. 2017, section 5.2): 3x3 filters with stride 2, ReLU, the mean over
    positions and a linear head. BatchNorm is transductive: it has no buffers and always takes the statistics of its
    batch, so that the network is a function of parameters and images alone. Its second derivative under `vmap` is
    wrong in torch (2.13), without an error: adapt by threads or in a loop.
    """

    def __init__(self, channels: int, width: int, n_way: int) -> None:
        super().__init__()
        blocks: list[nn.Module] = []
        for block in range(4):
            blocks.append(nn.Conv2d(channels if block == 0 else width, width, 3, stride=2, padding=1, bias=False))
            blocks += [nn.BatchNorm2d(width, track_running_stats=False), nn.ReLU()]
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Linear(width, n_way)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.blocks(images).mean((2, 3)))
