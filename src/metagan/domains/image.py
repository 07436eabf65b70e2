"""Images: uint8 (C, H, W), grey or of three colours, square."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from metagan.domains.base import Domain, Form, GanNetworks, Names, Shape
from metagan.errors import UserError
from metagan.losses.distances import multi_scale_pixels
from metagan.nets.conv4 import Conv4
from metagan.nets.critic import Critic
from metagan.nets.discriminator import Discriminator
from metagan.nets.embedder import Embedder
from metagan.nets.encoder import Encoder
from metagan.nets.generator import Generator
from metagan.nets.small_classifier import SmallClassifier
from metagan.parameters import ClassifierArchitecture, EmbedderArchitecture, GanArchitecture

Images = NDArray[np.uint8]

SMALLEST, LARGEST, MULTIPLE = 16, 64, 4
"""Sizes that all networks take."""
LARGEST_JITTER = (0.2, 0.12, 0.12, 0.12, 1 / 7, 1 / 7)
"""Angle in radians, logarithms of width and height, shear, shift to the side and down in halves of the image."""
SEPARATOR = 222
"""Grey level of the lines between images."""


def check_shape(shape: Shape) -> None:
    """Raises UserError for others than square images of one or three channels and of a size that networks take."""
    match shape:
        case (1 | 3, int(height), int(width)) if height == width:
            if SMALLEST <= height <= LARGEST and height % MULTIPLE == 0:
                return
    raise UserError(
        f"shape: {shape} is no image (channels, size, size) with 1 or 3 channels and a size from {SMALLEST} to "
        f"{LARGEST} that is a multiple of {MULTIPLE}"
    )


def to_floats(images: Images) -> Tensor:
    """Images of bytes as float32 in [0, 1]."""
    return torch.from_numpy(np.asarray(images, dtype=np.float32)) / 255


def to_bytes(images: Tensor) -> Images:
    """Images in [0, 1] of any shape and device -> uint8 of the same shape."""
    return images.clamp(0.0, 1.0).mul(255).round().to(torch.uint8).numpy(force=True)


def turned(images: Tensor, times: int) -> Tensor:
    """Images (..., H, W) by quarter turns: a character that is turned is another one.

    The class augmentation of Santoro et al. 2016 (arXiv 1605.06065, section 4.1).
    """
    return torch.rot90(images, times, (-2, -1))


def moved(images: Tensor, changes: Tensor) -> Tensor:
    """Images (N, C, H, W) under the affine distortions of Simard et al. 2003 (ICDAR, section 2).

    `changes` (N, 6): what LARGEST_JITTER names, of each image.
    """
    angle, width, height, shear, right, down = changes.unbind(1)
    turn = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], 1).view(-1, 2, 2)
    stretch = torch.stack([width.exp(), shear, torch.zeros_like(shear), height.exp()], 1).view(-1, 2, 2)
    affine = torch.cat([turn @ stretch, torch.stack([right, down], 1)[:, :, None]], 2)
    grid = F.affine_grid(affine, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)


def haze(samples: Tensor, queries: Tensor) -> float:
    """Mean size of samples (T, n, *shape) at the places that are 0 in every query example (T, Q, *shape) of their task;
    0 where there is no such place."""
    empty = (queries == 0).all(dim=1, keepdim=True).expand_as(samples)
    return samples[empty].double().abs().mean().item() if empty.any() else 0.0


def resized(image: Images, side: int) -> Image.Image:
    """One uint8 image (C, H, W), as it is, as a picture of side x side pixels, by Lanczos resampling."""
    return tile(image[None], on_paper=False, columns=1).resize((side, side), Image.Resampling.LANCZOS)


def tile(images: Images, on_paper: bool = True, columns: int = 4) -> Image.Image:
    """uint8 images (n, C, H, W) in rows of `columns`, a light line between them; unused places stay white.

    Grey images, whose ink is bright, are inverted to dark ink on white when `on_paper`.
    """
    n, channels, height, width = images.shape
    pixels = 255 - images if channels == 1 and on_paper else images
    rows = -(-n // columns)
    canvas = np.full((rows * (height + 1) - 1, columns * (width + 1) - 1, channels), 255, dtype=np.uint8)
    for index, image in enumerate(pixels):
        top, left = index // columns * (height + 1), index % columns * (width + 1)
        canvas[max(0, top - 1) : top + height + 1, max(0, left - 1) : left + width + 1] = SEPARATOR
        canvas[top : top + height, left : left + width] = image.transpose(1, 2, 0)
    return Image.fromarray(canvas[..., 0] if channels == 1 else canvas)


def base64_png(picture: Image.Image) -> str:
    """The bytes of a PNG file as text."""
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG")
    return base64.b64encode(buffer.getvalue()).decode("ascii")


def _written(image: Images, seed: int) -> str:
    return base64_png(tile(image[None], on_paper=False, columns=1))


def _embedder(architecture: EmbedderArchitecture) -> nn.Module:
    channels, size, _ = architecture.shape
    return Embedder(channels, architecture.width, architecture.feature_size, size)


def _generator(architecture: GanArchitecture) -> nn.Module:
    return Generator(**generator_arguments(architecture))


def generator_arguments(architecture: GanArchitecture) -> dict[str, Any]:
    """What `Generator` is made with."""
    channels, size, _ = architecture.shape
    shared = {"noise_size", "context_size", "largest_shift", "redrawing_width", "exemplars", "lead"}
    sizes = {"channels": channels, "image_size": size, "width": architecture.generator_width}
    return {**architecture.model_dump(include=shared), **sizes}


def _discriminator(architecture: GanArchitecture) -> nn.Module:
    channels, size, _ = architecture.shape
    return Discriminator(channels, size, architecture.discriminator_width)


def _encoder(architecture: GanArchitecture) -> nn.Module:
    return Encoder(architecture.shape[0], architecture.generator_width, architecture.exemplars, architecture.skip)


def _critic(architecture: GanArchitecture, width: int, paired: bool) -> nn.Module:
    channels, size, _ = architecture.shape
    return Critic(channels, size, width, paired)


def _rates(generator: Mapping[str, Tensor]) -> dict[str, float]:
    """A pixel of a finer map is seen in fewer pixels of the image, and its rate is higher by as much."""
    coarsest = generator["maps.0"][0, 0].numel()
    return {name: value[0, 0].numel() / coarsest for name, value in generator.items() if name.startswith("maps")}


def _classifier(architecture: ClassifierArchitecture, outputs: int) -> nn.Module:
    channels, size, _ = architecture.shape
    return Conv4(channels, architecture.width, size, outputs, architecture.pooling)


def _judge(shape: Shape, outputs: int) -> nn.Module:
    channels, size, _ = shape
    return SmallClassifier(channels, size, outputs)


image = Domain(
    names=Names(
        *("image", "images", "pictures"),
        least="black",
        most="white",
        drawn="strokes",
        binarised="every pixel is set to black or white at a half: greys are forgiven, strokes are not",
    ),
    dtype="uint8",
    range=(0.0, 255.0),
    check=check_shape,
    to_tensor=to_floats,
    to_stored=to_bytes,
    turns=4,
    turn=turned,
    largest_changes=LARGEST_JITTER,
    move=moved,
    views=multi_scale_pixels,
    embedder=_embedder,
    gan=GanNetworks(
        generator=_generator,
        discriminator=_discriminator,
        encoder=_encoder,
        critic=_critic,
        noise=("noise.weight", "bending.control.weight"),
        encoded=("maps.0", "maps.1", "maps.2"),
        rates=_rates,
    ),
    classifier=_classifier,
    judge=_judge,
    picture=tile,
    measures=lambda made, support, query: {"haze": haze(to_floats(made), to_floats(query))},
    form=Form("image/png", _written),
)
