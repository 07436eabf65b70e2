from __future__ import annotations

import hashlib
import json
import os
import pickle
import signal
import socket
import subprocess
import sys
import textwrap
import time
import tracemalloc
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import warm
from joblib import Parallel, delayed

from metagan.errors import UserError
from metagan.parameters import Tasks
from metagan.tasks.bank import BankPlan, TaskBank, open_bank, plan_bank
from metagan.tasks.sampling import generation_task
from metagan.tasks.sources.base import Source, with_train_classes

from .conftest import IMAGES_OF_CLASS, numbered_images, numbered_source


def everything_in(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.mark.parametrize(("channels", "image_size"), [(1, 16), (3, 20)])
def test_bank_holds_what_the_source_draws(tmp_path: Path, channels: int, image_size: int) -> None:
    source = numbered_source(channels, image_size)
    bank = BankPlan(source, workers=1).write(tmp_path / "deep" / "bank", progress=False)
    assert isinstance(bank.images, np.memmap) and not bank.images.flags.writeable
    assert bank.classes == source.classes and bank.source == "numbered" and bank.note == "made for tests"
    assert bank.images.shape == (sum(IMAGES_OF_CLASS), channels, image_size, image_size)
    for class_index, n_images in enumerate(IMAGES_OF_CLASS):
        expected = numbered_images(class_index, n_images, channels, image_size)
        assert np.array_equal(bank.class_images(class_index), expected)
        assert np.shares_memory(bank.class_images(class_index), bank.images)
    assert {split: classes.tolist() for split, classes in bank.splits.items()} == {
        "train": [0, 3],
        "val": [1, 4],
        "test": [2, 5],
    }


def test_content_hash_is_over_pixels_offsets_and_class_table(bank: TaskBank) -> None:
    content = np.asarray(bank.images).tobytes() + bank.offsets.astype("<i8").tobytes()
    content += json.dumps([asdict(record) for record in bank.classes]).encode()
    assert bank.content_hash == hashlib.sha256(content).hexdigest()


def test_bank_does_not_depend_on_the_number_of_workers(tmp_path: Path) -> None:
    plan = plan_bank(Tasks(source="glyphs", glyphs={"samples_per_class": 2}), 3, tmp_path)
    few = {part: getattr(plan.source, part)[::60] for part in ("classes", "drawings")}
    plan = replace(plan, source=replace(plan.source, **few))
    one, two = (replace(plan, workers=n).write(tmp_path / f"bank{n}", progress=False) for n in (1, 2))
    assert np.array_equal(one.images, two.images) and one.content_hash == two.content_hash


def test_fewer_train_classes_leave_val_and_test_as_they_are(tmp_path: Path) -> None:
    settings = Tasks(source="glyphs", glyphs={"samples_per_class": 2})
    every, few, others = (
        plan_bank(settings.model_copy(update={"train_classes": count}), seed, tmp_path).source
        for count, seed in ((None, 3), (20, 3), (20, 4))
    )
    train = [[record.name for record in found.classes if record.split == "train"] for found in (every, few, others)]
    assert len(train[1]) == 20 and set(train[1]) < set(train[0]) and train[1] != train[2]
    rest = [[record for record in found.classes if record.split != "train"] for found in (every, few)]
    assert rest[0] == rest[1]
    drawn = dict(zip(every.classes, every.drawings, strict=True))
    for place in (0, -1):
        assert np.array_equal(few.render(place), drawn[few.classes[place]]())


def test_recordings_stay_beside_their_classes() -> None:
    source = numbered_source(1, 16, (3,) * 6)
    heard = [partial(list, [np.full(2, i, np.float32)]) for i in range(6)]
    few = with_train_classes(replace(source, recordings=tuple(heard)), 1, 0)
    assert [few.recordings[i]()[0][0] for i in range(5)] == [source.classes.index(record) for record in few.classes]


def test_more_train_classes_than_there_are_are_refused() -> None:
    with pytest.raises(UserError, match=r"tasks\.train_classes: 3, but numbered has only 2 train classes"):
        with_train_classes(numbered_source(1, 16, (3,) * 6), 3, 0)


def test_bank_travels_to_other_processes_as_a_path(bank: TaskBank) -> None:
    assert len(pickle.dumps(bank)) < 1000
    task = generation_task(bank, "train", 0, 0, 2, 3)
    (drawn,) = Parallel(n_jobs=2)([delayed(generation_task)(bank, "train", 0, 0, 2, 3)])
    assert np.array_equal(drawn.support, task.support) and np.array_equal(drawn.query, task.query)


def test_building_and_reading_need_far_less_memory_than_the_bank(tmp_path: Path) -> None:
    source = even_source((500,) * 60, image_size=64)
    tracemalloc.start()
    bank = BankPlan(source, workers=1).write(tmp_path / "bank", progress=False)
    for index in range(20):
        generation_task(bank, "train", 0, index, 8, 12)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert bank.images.nbytes > 120_000_000 and peak < 20_000_000


def even_source(counts: tuple[int, ...], image_size: int = 16) -> Source:
    """Class i is all i; other processes can draw it, for they need no test module."""
    shapes = [(n, 1, image_size, image_size) for n in counts]
    drawings = tuple(partial(np.full, shape, i, np.uint8) for i, shape in enumerate(shapes))
    return replace(numbered_source(1, image_size, counts), drawings=drawings)


def program(script: str, folder: Path) -> str:
    """The script, which finds the folder as its first argument, and this conftest."""
    path = Path(__file__).with_name("conftest.py")
    loader = (
        "import importlib.util as u, sys\n"
        f"s = u.spec_from_file_location('tests_tasks_conftest', {str(path)!r})\n"
        "m = sys.modules[s.name] = u.module_from_spec(s)\n"
        "s.loader.exec_module(m)\n"
        f"sys.argv[1:] = [{str(folder)!r}]\n"
    )
    return loader + textwrap.dedent(script)


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def leftovers(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.parent.iterdir() if entry != folder)


def test_a_new_bank_takes_the_place_of_the_earlier_one(bank: TaskBank, tmp_path: Path) -> None:
    before = np.array(bank.images)
    newer = BankPlan(numbered_source(counts=(3, 4, 5)), workers=1).write(tmp_path / "bank", progress=False)
    assert len(newer.images) == 12 and len(open_bank(tmp_path / "bank").classes) == 3
    assert np.array_equal(bank.images, before)  # a reader of the earlier bank keeps it
    assert leftovers(tmp_path / "bank") == []


@pytest.mark.parametrize("workers", [1, 2])
def test_a_build_that_fails_leaves_the_earlier_bank_alone(bank: TaskBank, tmp_path: Path, workers: int) -> None:
    earlier = everything_in(tmp_path / "bank")
    source = even_source(IMAGES_OF_CLASS)
    unreadable = partial(int, "no picture")
    broken = replace(source, drawings=(*source.drawings[:4], unreadable, source.drawings[5]))
    with pytest.raises(ValueError, match=r"invalid literal .* 'no picture'"):
        BankPlan(broken, workers).write(tmp_path / "bank", progress=False)
    assert everything_in(tmp_path / "bank") == earlier and leftovers(tmp_path / "bank") == []


def test_a_class_of_the_wrong_size_is_refused(tmp_path: Path, source: Source) -> None:
    wrong = replace(source, drawings=(source.drawings[1], *source.drawings[1:]))
    with pytest.raises(ValueError, match="class 'class 0' was drawn as uint8"):
        BankPlan(wrong, workers=1).write(tmp_path / "bank", progress=False)
    assert not (tmp_path / "bank").exists()


def test_a_killed_build_leaves_the_earlier_bank_and_the_next_build_cleans_up(bank: TaskBank, tmp_path: Path) -> None:
    script = """
    import sys, time
    from dataclasses import replace
    from metagan.tasks.bank import BankPlan
    from tests_tasks_conftest import numbered_source

    source = numbered_source()
    BankPlan(replace(source, drawings=(*source.drawings[:-1], lambda: time.sleep(60))), 1).write(sys.argv[1], False)
    """
    folder = tmp_path / "bank"
    earlier = everything_in(folder)
    process = subprocess.Popen([sys.executable, "-c", program(script, folder)], env=environment())
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob("bank.building-*/new/images.npy")) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert len(leftovers(folder)) == 1
    assert everything_in(folder) == earlier and len(open_bank(folder).images) == sum(IMAGES_OF_CLASS)
    BankPlan(numbered_source(counts=(3, 4, 5)), workers=1).write(folder, progress=False)
    assert leftovers(folder) == [] and len(open_bank(folder).classes) == 3


@pytest.mark.parametrize("other", [f"1@{socket.gethostname()}", "4194305@elsewhere.org"])
def test_a_build_leaves_the_work_of_a_living_process_and_of_another_machine_alone(
    other: str, tmp_path: Path, source: Source
) -> None:
    building = tmp_path / f"bank.building-{other}"
    building.mkdir()
    BankPlan(source, workers=1).write(tmp_path / "bank", progress=False)
    assert leftovers(tmp_path / "bank") == [building.name]


def test_a_full_disk_leaves_the_earlier_bank_and_the_next_build_succeeds(bank: TaskBank, tmp_path: Path) -> None:
    script = """
    import resource, sys
    from metagan.tasks.bank import BankPlan
    from tests_tasks_conftest import numbered_source

    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
    try:
        BankPlan(numbered_source(), workers=1).write(sys.argv[1], progress=False)
    except OSError as error:
        print(error)
    """
    folder = tmp_path / "bank"
    earlier = everything_in(folder)
    assert f"MiB free), cannot write the task bank: '{folder}'" in warm.python(program(script, folder), tmp_path)
    assert everything_in(folder) == earlier and leftovers(folder) == []
    assert len(BankPlan(numbered_source(counts=(3, 4, 5)), workers=1).write(folder, progress=False).images) == 12


def test_a_missing_bank_says_how_to_build_one(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no task bank in .*: build it with kedro run --pipelines tasks"):
        open_bank(tmp_path / "bank")


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1])


def lengthen(file: Path) -> None:
    file.write_bytes(file.read_bytes() + b"x")


def swap(old: str, new: str) -> object:
    def edit(file: Path) -> None:
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new, 1))

    return edit


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("images.npy", cut),
        ("images.npy", lengthen),
        ("images.npy", Path.unlink),
        ("images.npy", lambda file: file.write_bytes(b"")),
        ("images.npy", lambda file: np.save(file, np.array([{"a": 1}], dtype=object), allow_pickle=True)),
        ("images.npy", lambda file: np.save(file, np.zeros((83, 1, 16, 16), dtype=np.int8))),
        ("bank.json", cut),
        ("bank.json", lambda file: file.write_text("[]")),
        ("bank.json", swap('"n_images": 20', '"n_images": 21')),
        ("bank.json", swap('"format": 2', '"format": 99')),
        ("bank.json", swap('"format": 2', '"format": 1')),
        ("bank.json", swap('"dtype": "uint8"', '"dtype": "int8"')),
        ("bank.json", swap('"domain": "image"', '"domain": "smell"')),
        ("bank.json", swap('"range"', '"rage"')),
        ("bank.json", swap('"content_hash"', '"hash"')),
        ("bank.json", swap('"split": "train"', '"part": "train"')),
    ],
)
def test_a_damaged_bank_is_refused(bank: TaskBank, tmp_path: Path, name: str, damage: object) -> None:
    damage(tmp_path / "bank" / name)
    with pytest.raises(ValueError, match=r"task bank in .* is damaged \(.*\): rebuild it with kedro run") as caught:
        open_bank(tmp_path / "bank")
    assert "\n" not in str(caught.value)
