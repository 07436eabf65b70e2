"""Sets of examples as PIL images, magnified without smoothing so that every pixel can be judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from metagan.domains import domain_of, stored_example
from metagan.domains.image import base64_png
from metagan.errors import UserError
from metagan.parameters import StoredExample
from metagan.tasks.bank import TaskBank

PICTURE_STEPS = (0, 1, 5, 20)
TILE_LIMIT = 8
FRAME_LIMIT = 16


def picture_steps(steps: Sequence[int]) -> list[int]:
    """The adaptation steps to draw: 0, 1, 5, 20 where all were measured, else up to four from first to last."""
    if set(PICTURE_STEPS) <= set(steps):
        return list(PICTURE_STEPS)
    positions = np.linspace(0, len(steps) - 1, num=min(4, len(steps))).round().astype(int)
    return [steps[position] for position in positions]


def picture_of(example: StoredExample, stored: np.ndarray, columns: int = 4) -> Image.Image:
    """Stored examples (n, *shape) as their domain shows them, in rows of `columns`."""
    return domain_of(example).picture(stored, example.on_paper, columns)


def check_pictures(pictures: Mapping[str, np.ndarray], steps: Sequence[int], example: StoredExample) -> None:
    """Raise ValueError unless support and real are stored examples (T, n, *shape), the others (T, len(steps), n,
    *shape)."""
    missing = {"support", "real", "adapted"} - set(pictures)
    if missing:
        raise UserError(f"pictures lacks {', '.join(sorted(missing))}")
    n_tasks, shape = len(pictures["support"]), example.shape
    for name, images in pictures.items():
        leading = (n_tasks,) if name in ("support", "real") else (n_tasks, len(steps))
        expected = (*leading, images.shape[len(leading)], *shape) if images.ndim > len(leading) else ()
        if images.dtype != example.dtype or images.shape != expected:
            wanted = ", ".join(map(str, (*leading, "n", *shape)))
            raise UserError(f"pictures.{name} must be {example.dtype} ({wanted}), got {images.dtype} {images.shape}")


def data_uri(picture: Image.Image) -> str:
    """The picture as a PNG inside its own address."""
    return f"data:image/png;base64,{base64_png(picture)}"


def sample_grid(example: StoredExample, samples: Tensor, magnification: int = 2) -> Image.Image:
    """Samples (R, n, C, H, W) in [0, 1] as a picture of R rows of n."""
    stored = domain_of(example).to_stored(samples.flatten(0, 1))
    return _magnified(picture_of(example, stored, samples.shape[1]), magnification)


def picture_grid(images: np.ndarray, columns: int = 8, magnification: int = 2) -> Image.Image:
    """A person's images, uint8 (n, C, H, W), as they are, in rows of `columns`."""
    return _magnified(picture_of(_as_given(images), images, min(columns, len(images))), magnification)


def _as_given(images: np.ndarray) -> StoredExample:
    """Images (n, C, H, W) that are not turned to ink on paper."""
    return stored_example("image", images.shape[1:])


def adaptation_picture(
    pictures: Mapping[str, np.ndarray],
    steps: Sequence[int],
    example: StoredExample,
    rows: int = 16,
    magnification: int = 2,
) -> Image.Image:
    """The picture `support | adapted after n steps | real` with column headings, one row per class, at most `rows`.

    `pictures` as `evaluation.generation` makes them: stored examples, `support` and `real` (T, n, *shape), `adapted`
    (T, len(steps), n, *shape). Up to eight of each are drawn.
    """
    check_pictures(pictures, steps, example)
    columns = [("support", pictures["support"])]
    columns += [(after(step), pictures["adapted"][:, steps.index(step)]) for step in picture_steps(steps)]
    columns += [("real", pictures["real"])]
    rows = min(rows, len(pictures["support"]))
    cells = [
        [_magnified(picture_of(example, images[row, :TILE_LIMIT]), magnification) for _, images in columns]
        for row in range(rows)
    ]
    return _sheet([name for name, _ in columns], cells, magnification)


def adaptation_frames(pictures: np.ndarray, samples: np.ndarray) -> list[Image.Image]:
    """A frame for each of samples (S, n, C, H, W) after 0, 1 ... steps beside a person's pictures (K, C, H, W), uint8.

    Up to sixteen of each are drawn, as they are.
    """
    magnification = max(1, round(56 / pictures.shape[-1]))

    def cell(images: np.ndarray) -> Image.Image:
        return _magnified(picture_of(_as_given(images), images[:FRAME_LIMIT]), magnification)

    return [
        _sheet(["pictures", after(step)], [[cell(pictures), cell(made)]], magnification)
        for step, made in enumerate(samples)
    ]


def spread_picture(pictures: np.ndarray, samples: np.ndarray) -> Image.Image:
    """Where samples (n, C, H, W), uint8, are all alike and where the generator is unsure, beside a person's pictures:
    mean and twice the standard deviation of each pixel, which is white where it is half black and half white."""
    magnification = max(1, round(224 / pictures.shape[-1]))
    columns = {}
    for name, images in (("pictures", pictures), ("samples", samples)):
        columns[f"mean of {name}"] = images.mean(0)
        columns[f"spread of {name}"] = 2 * images.std(0)
    stored = {name: values.round().clip(0, 255).astype(np.uint8)[None] for name, values in columns.items()}
    cells = [_magnified(picture_of(_as_given(image), image, 1), magnification) for image in stored.values()]
    return _sheet(list(stored), [cells], 2)


def groups_picture(bank: TaskBank, classes: int = 6, rows: int = 4, magnification: int = 2) -> Image.Image:
    """The first classes of each group of a bank under the group's name: a column for each class, of `rows` examples."""
    groups: dict[str, list[int]] = {}
    for index, record in enumerate(bank.classes):
        groups.setdefault(record.group, []).append(index)
    rows = min(rows, *np.diff(bank.offsets))
    cells = []
    for indices in groups.values():
        columns = [bank.class_images(index)[:rows] for index in indices[:classes]]
        stored = np.stack(columns, axis=1).reshape(-1, *bank.example.shape)
        cells.append(_magnified(picture_of(bank.example, stored, len(columns)), magnification))
    return _sheet(list(groups), [cells], magnification)


def _sheet(headings: Sequence[str], lines: Sequence[Sequence[Image.Image]], magnification: int) -> Image.Image:
    """Lines of pictures in columns with headings, all columns as wide as the widest picture."""
    gap, heading, font = 6 * magnification, 15 * magnification, ImageFont.load_default(size=10 * magnification)
    width = max(cell.width for line in lines for cell in line)
    heights = [max(cell.height for cell in line) for line in lines]
    size = (len(headings) * (width + gap) + gap, heading + sum(heights) + gap * len(lines) + gap)
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    for column, name in enumerate(headings):
        draw.text((gap + column * (width + gap) + width / 2, gap), name, font=font, fill="#1a1a1a", anchor="mt")
    top = heading + gap
    for line, height in zip(lines, heights, strict=True):
        for column, cell in enumerate(line):
            sheet.paste(cell, (gap + column * (width + gap), top))
        top += height + gap
    return sheet


def after(step: int) -> str:
    """`after 1 step`, `after 5 steps`."""
    return f"after {step} step{'' if step == 1 else 's'}"


def _magnified(picture: Image.Image, magnification: int) -> Image.Image:
    return picture.resize((picture.width * magnification, picture.height * magnification), Image.Resampling.NEAREST)
