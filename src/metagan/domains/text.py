"""Text: lines of at most sixteen characters, uint8 codes (length,); as tensors one-hot (characters, 1, length)."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor, nn

from metagan.domains.base import Domain, Form, GanNetworks, Names, Shape
from metagan.domains.spelling import LONGEST, SIZE, decoded
from metagan.errors import UserError
from metagan.nets.word_classifier import WordClassifier
from metagan.nets.word_critics import WordCritic, WordDiscriminator
from metagan.nets.word_encoder import WordEncoder
from metagan.nets.word_features import WordFeatures
from metagan.nets.word_generator import WordGenerator
from metagan.parameters import ClassifierArchitecture, EmbedderArchitecture, GanArchitecture

Codes = NDArray[np.uint8]

JUDGE_WIDTH = 32
SKETCH = 256
"""Numbers that three characters in a row are counted in."""
SIGNS = 2.0 * torch.randint(2, (3, SKETCH, SIZE), generator=torch.Generator().manual_seed(0)) - 1
FONT_SIZE, LINE, COLUMN = 12, 16, 128
"""Pixels of a picture of words."""


def check_shape(shape: Shape) -> None:
    """Raises UserError for others than codes of LONGEST characters."""
    if shape != (LONGEST,):
        raise UserError(f"shape: {shape} is no line of {LONGEST} characters")


def to_one_hot(codes: Codes) -> Tensor:
    """Codes (..., length) -> float32 (..., characters, 1, length)."""
    places = torch.from_numpy(np.asarray(codes, dtype=np.int64))
    return F.one_hot(places, SIZE).transpose(-1, -2)[..., None, :].float()


def to_codes(words: Tensor) -> Codes:
    """The most probable characters (..., length) of (..., characters, 1, length); what follows an end is 0."""
    codes = words[..., 0, :].argmax(-2)
    written = (codes != 0).cumprod(-1)
    return (codes * written).to(torch.uint8).numpy(force=True)


def swapped(words: Tensor, changes: Tensor) -> Tensor:
    """Words (N, characters, 1, length) with two neighbouring characters exchanged: `changes` (N, 1) from -1 to 1 say
    which, counted over the length, of those before the end."""
    ends = words[:, 0, 0].argmax(1).where(words[:, 0, 0].amax(1) > 0.5, words.shape[-1])
    first = ((changes[:, 0] + 1) / 2 * (ends - 1).clamp_min(1)).long().clamp_max(words.shape[-1] - 2)
    first = first.where(ends > first + 1, words.shape[-1] - 2)
    places = torch.arange(words.shape[-1], device=words.device)
    step = (places == first[:, None]).long() - (places == first[:, None] + 1).long()
    return words.gather(-1, (places + step)[:, None, None].expand_as(words))


def n_gram_views(words: Tensor) -> list[Tensor]:
    """(N, characters, 1, length) -> matrices (N, D): characters by place; counts of characters, of pairs, and of three
    in a row, these as a count sketch (Pham and Pagh 2013, section 2), whose products are those of the counts.

    A word begins with an end.
    """
    row = torch.cat([_end_like(words), words[:, :, 0]], 2)
    written = 1 - row[:, :1, :-1] * row[:, :1, 1:]  # no pair of two ends
    first, second = row[:, :, :-1] * written, row[:, :, 1:] * written
    pairs = first @ second.transpose(1, 2)
    signs = SIGNS.to(words)
    sketched = [signs[i] @ part for i, part in enumerate((first[:, :, :-1], second[:, :, :-1], second[:, :, 1:]))]
    threes = (sketched[0] * sketched[1] * sketched[2]).sum(2) / SKETCH**0.5
    return [view / 4 for view in (words.flatten(1), second.sum(2), pairs.flatten(1), threes)]


def _end_like(words: Tensor) -> Tensor:
    end = (torch.arange(SIZE, device=words.device) == 0).to(words)
    return end[:, None].expand(len(words), -1, 1)


def listed(codes: Codes, on_paper: bool = True, columns: int = 4) -> Image.Image:
    """Codes (n, length) as words, in rows of `columns`."""
    font = ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts/ttf/DejaVuSans.ttf"), FONT_SIZE)
    canvas = Image.new("L", (columns * COLUMN, -(-len(codes) // columns) * LINE), 255)
    pen = ImageDraw.Draw(canvas)
    for index, word in enumerate(decoded(codes)):
        pen.text((index % columns * COLUMN + 2, index // columns * LINE + 1), word or "\u2205", fill=0, font=font)
    return canvas


def _embedder(architecture: EmbedderArchitecture) -> nn.Module:
    features = WordFeatures(SIZE, architecture.width)
    return nn.Sequential(features, nn.Linear(features.feature_size, architecture.feature_size))


def _generator(architecture: GanArchitecture) -> nn.Module:
    if architecture.noise_size != LONGEST:
        raise UserError(f"meta_train.networks.noise_size: must be {LONGEST} for text, a number for each character")
    return WordGenerator(SIZE, LONGEST, architecture.generator_width)


def _discriminator(architecture: GanArchitecture) -> nn.Module:
    return WordDiscriminator(SIZE, LONGEST, architecture.discriminator_width)


def _encoder(architecture: GanArchitecture) -> nn.Module:
    return WordEncoder(SIZE, architecture.generator_width)


def _critic(architecture: GanArchitecture, width: int, paired: bool) -> nn.Module:
    if paired:
        raise UserError("meta_train.outer_objective.critic_pairs: must be false for text, which has no exemplars")
    return WordCritic(SIZE, width)


def _classifier(architecture: ClassifierArchitecture, outputs: int) -> nn.Module:
    return WordClassifier(SIZE, architecture.width, outputs)


def _judge(shape: Shape, outputs: int) -> nn.Module:
    features = WordFeatures(SIZE, JUDGE_WIDTH)
    return nn.Sequential(features, nn.Linear(features.feature_size, outputs))


text = Domain(
    names=Names("word", "words", "lines", least="empty", drawn="words", binarised=""),
    dtype="uint8",
    range=(0.0, SIZE - 1.0),
    check=check_shape,
    to_tensor=to_one_hot,
    to_stored=to_codes,
    turns=1,
    turn=lambda words, times: words,
    largest_changes=(1.0,),
    move=swapped,
    views=n_gram_views,
    embedder=_embedder,
    gan=GanNetworks(
        generator=_generator,
        discriminator=_discriminator,
        encoder=_encoder,
        critic=_critic,
        noise=("loudness",),
        encoded=("memory", "code"),
        likelihood=True,
    ),
    classifier=_classifier,
    judge=_judge,
    picture=listed,
    form=Form("text/plain", lambda codes, seed: decoded(codes[None])[0]),
    packages=("anyascii",),
)
