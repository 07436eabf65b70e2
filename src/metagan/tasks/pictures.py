"""A task bank to look at: contact sheet, class table and data card."""

from __future__ import annotations

from pathlib import Path
from typing import TypedDict

import matplotlib
import numpy as np
import pandas as pd
from PIL import Image, ImageDraw, ImageFont

from metagan.tasks.bank import TaskBank

GAP = 3
LABEL = 220


class SplitCard(TypedDict):
    """Counts of one split; `groups` counts the scripts, alphabets ... that its classes come from."""

    classes: int
    images: int
    groups: int


class DataCard(TypedDict):
    """What a bank holds and where it comes from."""

    source: str
    note: str
    domain: str
    shape: list[int]
    classes: int
    images: int
    content_hash: str
    splits: dict[str, SplitCard]


def contact_sheet(bank: TaskBank, columns: int, rows: int, seed: int) -> Image.Image:
    """A row for each of `rows` classes, drawn from the three splits in turn, with up to `columns` images each."""
    generator = np.random.default_rng(seed)
    orders = {split: generator.permutation(classes).tolist() for split, classes in bank.splits.items()}
    chosen: dict[str, list[int]] = {split: [] for split in orders}
    while sum(map(len, chosen.values())) < min(rows, len(bank.classes)):
        for split, order in orders.items():
            if order and sum(map(len, chosen.values())) < rows:
                chosen[split].append(order.pop())
    shown = bank.domain.picture(bank.images[:1], False, 1).size
    width, height = (side * max(1, round(56 / max(shown))) for side in shown)
    step = width + GAP
    classes = [class_index for split in chosen.values() for class_index in sorted(split)]
    sheet = Image.new("RGB", (LABEL + columns * step + GAP, len(classes) * (height + GAP) + GAP), "white")
    pen = ImageDraw.Draw(sheet)
    font = ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"), 12)
    for row, class_index in enumerate(classes):
        record = bank.classes[class_index]
        top = GAP + row * (height + GAP)
        pen.text((2 * GAP, top + height // 2 - 8), _shortened(record.name, font), fill="black", font=font, anchor="lm")
        pen.text(
            (2 * GAP, top + height // 2 + 8),
            _shortened(f"{record.split}: {record.group}", font),
            fill="grey",
            font=font,
            anchor="lm",
        )
        images = bank.class_images(class_index)
        for column, image in enumerate(images[np.sort(generator.permutation(len(images))[:columns])]):
            picture = bank.domain.picture(image[None], False, 1)
            sheet.paste(picture.resize((width, height), Image.Resampling.NEAREST), (LABEL + column * step, top))
    return sheet


def _shortened(text: str, font: ImageFont.FreeTypeFont) -> str:
    if font.getlength(text) <= LABEL - 4 * GAP:
        return text
    while font.getlength(f"{text}...") > LABEL - 4 * GAP:
        text = text[:-1]
    return f"{text}..."


def class_table(bank: TaskBank) -> pd.DataFrame:
    """One row per class: its index, name, group, split and number of images."""
    table = pd.DataFrame(bank.classes)
    table.insert(0, "class_index", range(len(table)))
    return table


def data_card(bank: TaskBank) -> DataCard:
    """Counts per split, image size, content hash and origin, as plain data."""
    table = class_table(bank)
    splits: dict[str, SplitCard] = {
        split: {
            "classes": len(classes),
            "images": int(table.n_images[classes].sum()),
            "groups": int(table.group[classes].nunique()),
        }
        for split, classes in bank.splits.items()
    }
    return {
        "source": bank.source,
        "note": bank.note,
        "domain": bank.example.domain,
        "shape": list(bank.example.shape),
        "classes": len(bank.classes),
        "images": len(bank.images),
        "content_hash": bank.content_hash,
        "splits": splits,
    }
