"""The four-block convolutional network of few-shot learning."""

from __future__ import annotations

from torch import Tensor, nn


class Conv4(nn.Module):
    """Four conv-GroupNorm-ReLU-pool blocks and a linear map to `feature_size` features.

    (N, channels, H, W) in [0, 1] -> (N, feature_size). After Vinyals et al. 2016, section 4.1, with GroupNorm in
    place of BatchNorm, so that an image's features never depend on the other images of the batch.
    """

    def __init__(self, channels: int, width: int, feature_size: int, image_size: int) -> None:
        super().__init__()
        blocks: list[nn.Module] = []
        size = image_size
        for index in range(4):
            blocks += [nn.Conv2d(channels if index == 0 else width, width, 3, padding=1), nn.GroupNorm(8, width), nn.ReLU()]
            blocks.append(nn.MaxPool2d(2))
            size //= 2
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Linear(width * size * size, feature_size)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.blocks(images).flatten(1))
