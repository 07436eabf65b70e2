from __future__ import annotations

from itertools import islice

import pytest
import torch

from metagan.tasks.bank import TaskBank
from metagan.tasks.sampling import episode
from metagan.tasks.streams import task_stream
from metagan.training.data import TaskBatches
from metagan.training.episodes import episode_task, stacked

SHAPE = (3, 2, 4)  # ways, shots, queries
Tensors = dict[str, torch.Tensor]


def same(first: Tensors, second: Tensors) -> bool:
    assert first.keys() == second.keys()
    return all(torch.equal(value, second[name]) for name, value in first.items())


@pytest.mark.parametrize("wrappers", [(), ("turned",), ("turned", "jittered")])
def test_images_are_those_of_the_episode_in_class_order(bank: TaskBank, wrappers: tuple[str, ...]) -> None:
    stream = task_stream(bank, 5, wrappers)
    task, drawn = episode_task(stream, "train", 7, *SHAPE), stream.episode("train", 7, *SHAPE)
    assert torch.equal(task["support"], drawn.support.reshape(6, 1, 16, 16))
    assert torch.equal(task["query"], drawn.query.reshape(12, 1, 16, 16))
    assert task["ways"].tolist() == [0, 1, 2]
    assert task["support_labels"].tolist() == [0, 0, 1, 1, 2, 2]
    assert task["query_labels"].tolist() == [0] * 4 + [1] * 4 + [2] * 4


def test_classes_count_the_train_classes(bank: TaskBank) -> None:
    """For all train classes in order 0, 1, ..., whatever their places in the bank; none for other splits."""
    drawn = episode(bank, "train", 5, 7, *SHAPE)
    numbers = [bank.splits["train"].tolist().index(index) for index in drawn.class_indices]
    task = episode_task(task_stream(bank, 5), "train", 7, *SHAPE)
    assert task["support_classes"].tolist() == [number for number in numbers for _ in range(2)]
    assert task["query_classes"].tolist() == [number for number in numbers for _ in range(4)]
    assert set(episode_task(task_stream(bank, 5), "test", 7, *SHAPE)["query_classes"].tolist()) == {-1}


def test_an_episode_is_a_function_of_seed_and_index(bank: TaskBank) -> None:
    first = episode_task(task_stream(bank, 0), "val", 3, *SHAPE)
    torch.rand(1)
    assert same(first, episode_task(task_stream(bank, 0), "val", 3, *SHAPE))
    for seed, index in ((1, 3), (0, 4)):
        other = episode_task(task_stream(bank, seed), "val", index, *SHAPE)
        assert not torch.equal(first["query"], other["query"])
        assert not torch.equal(first["query_start"], other["query_start"])


def test_starts_are_uniform_or_normal_by_the_norm(bank: TaskBank) -> None:
    linf, l2 = (episode_task(task_stream(bank, 0), "train", 0, *SHAPE, norm=norm) for norm in ("linf", "l2"))
    for part in ("support", "query"):
        uniform, normal = linf[f"{part}_start"], l2[f"{part}_start"]
        assert uniform.shape == normal.shape == linf[part].shape
        assert torch.equal(linf[part], l2[part])
        assert uniform.abs().max() <= 1
        assert uniform.std().item() == pytest.approx(3**-0.5, abs=0.03)
        assert normal.std().item() == pytest.approx(1, abs=0.08)
    assert not torch.equal(linf["support_start"], linf["query_start"][:6])


def test_a_stream_that_starts_later_goes_on_where_the_other_is(bank: TaskBank) -> None:
    def stream(start: int) -> TaskBatches:
        def draw(indices: range) -> Tensors:
            turned = task_stream(bank, 3, ["turned"])
            return stacked([episode_task(turned, "train", index, *SHAPE) for index in indices])

        return TaskBatches(draw, 2, start)

    batches = list(islice(stream(0), 4))
    assert batches[0]["support"].shape == (2, 6, 1, 16, 16)
    assert all(same(*pair) for pair in zip(islice(stream(2), 2), batches[2:], strict=True))
    tasks = [episode_task(task_stream(bank, 3, ["turned"]), "train", index, *SHAPE) for index in range(8)]
    for step, batch in enumerate(batches):
        for place in range(2):
            assert same({name: value[place] for name, value in batch.items()}, tasks[2 * step + place])
    assert len({task["query"].sum().item() for task in tasks}) == 8


def test_too_few_classes_or_images_are_told_in_one_line(bank: TaskBank) -> None:
    with pytest.raises(ValueError, match=r"^6 classes are needed \(n_way\), but split 'val' has 5 to draw from$"):
        episode_task(task_stream(bank, 0), "val", 0, 6, 1, 1)
    with pytest.raises(ValueError, match=r"^k_shot \+ n_query = 11, but class 'class \d+' has 10 images: lower one"):
        episode_task(task_stream(bank, 0), "val", 0, 2, 5, 6)
