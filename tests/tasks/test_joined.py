from __future__ import annotations

import numpy as np

from metagan.tasks.bank import TaskBank
from metagan.tasks.joined import joined
from metagan.tasks.sampling import episode


def test_train_classes_change_and_others_stay(bank: TaskBank) -> None:
    added = [np.full((5, 1, 16, 16), level, np.uint8) for level in (7, 9)]
    both = joined(bank, bank.splits["train"][1:], added, "made")
    assert [record.name for record in both.classes if record.split == "train"] == ["class 3", "made 0", "made 1"]
    assert np.array_equal(both.class_images(0), bank.class_images(3))
    assert all(np.array_equal(both.class_images(1 + place), own) for place, own in enumerate(added))
    for split in ("val", "test"):
        for own, other in zip(both.splits[split], bank.splits[split], strict=True):
            assert both.classes[own] == bank.classes[other]
            assert np.array_equal(both.class_images(own), bank.class_images(other))
    drawn, before = episode(both, "test", 0, 0, 2, 1, 2), episode(bank, "test", 0, 0, 2, 1, 2)
    assert np.array_equal(drawn.query, before.query)


def test_another_content_has_another_hash(bank: TaskBank) -> None:
    images = [np.full((5, 1, 16, 16), level, np.uint8) for level in (7, 9)]
    hashes = {
        joined(bank, bank.splits["train"], own, "made").content_hash for own in ([], images[:1], images[1:], images)
    }
    assert len(hashes) == 4 and bank.content_hash not in hashes
