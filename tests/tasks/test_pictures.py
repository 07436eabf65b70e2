from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from metagan.tasks.bank import BankPlan, TaskBank
from metagan.tasks.pictures import GAP, LABEL, class_table, contact_sheet, data_card

from .conftest import IMAGES_OF_CLASS, numbered_source


def test_contact_sheet_shows_images_of_classes_of_every_split(bank: TaskBank) -> None:
    sheet = np.asarray(contact_sheet(bank, columns=5, rows=3, seed=0))
    cell = 64  # 16 pixels, enlarged to about 56
    assert sheet.shape == (3 * (cell + GAP) + GAP, LABEL + 5 * (cell + GAP) + GAP, 3)
    splits = []
    for row in range(3):
        top = GAP + row * (cell + GAP)
        numbers = []
        for column in range(5):
            left = LABEL + column * (cell + GAP)
            image = sheet[top : top + cell : 4, left : left + cell : 4]
            assert (image == image[:, :, :1]).all()
            class_index, number = int(image[0, 0, 0]), int(image[0, 1, 0])
            assert np.array_equal(image[:, :, 0], bank.class_images(class_index)[number, 0])
            numbers.append(number)
        assert len(set(numbers)) == 5
        splits.append(bank.classes[class_index].split)
        assert (sheet[top : top + cell, :LABEL] < 128).any()
    assert splits == ["train", "val", "test"]


def test_contact_sheet_is_seeded_and_copes_with_small_banks(bank: TaskBank, tmp_path: Path) -> None:
    assert contact_sheet(bank, 4, 3, 1) == contact_sheet(bank, 4, 3, 1) != contact_sheet(bank, 4, 3, 2)
    assert contact_sheet(bank, 30, 50, 0).height == len(IMAGES_OF_CLASS) * (64 + GAP) + GAP
    colour = BankPlan(numbered_source(channels=3), workers=1).write(tmp_path / "colour", progress=False)
    assert contact_sheet(colour, 4, 3, 0).size == contact_sheet(bank, 4, 3, 0).size


def test_class_table_and_data_card_count_the_classes(bank: TaskBank) -> None:
    table = class_table(bank)
    assert list(table.columns) == ["class_index", "name", "group", "split", "n_images"]
    assert table.n_images.tolist() == list(IMAGES_OF_CLASS) and table.class_index.tolist() == list(range(6))
    card = data_card(bank)
    assert json.loads(json.dumps(card)) == card
    assert card["splits"]["val"] == {"classes": 2, "images": 7 + 9, "groups": 2}
    assert card["splits"]["train"] == {"classes": 2, "images": 40, "groups": 2}
    assert card["classes"] == 6 and card["images"] == 83 and card["content_hash"] == bank.content_hash
