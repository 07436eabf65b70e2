from __future__ import annotations

from itertools import islice

import pytest
import torch

from metagan.nets.exemplars import leading
from metagan.parameters import Networks
from metagan.tasks.bank import TaskBank
from metagan.tasks.streams import task_stream
from metagan.training.data import TaskBatches, generation_tasks, sampling_tasks, task_noise

SHAPE = (3, 4, 2, Networks(noise_size=5))  # k_shot, n_query, steps, networks


def test_shapes_and_ranges_of_stacked_tasks(bank: TaskBank) -> None:
    tasks, classes = generation_tasks(task_stream(bank, 0), "val", range(4), *SHAPE)
    assert {name: tuple(value.shape) for name, value in tasks.items()} == {
        "support": (4, 3, 1, 16, 16),
        "query": (4, 4, 1, 16, 16),
        "inner_noise": (4, 2, 2, 3, 5),
        "outer_noise": (4, 4, 5),
    }
    assert tasks["support"].min() >= 0
    assert tasks["query"].max() <= 1
    assert len(set(classes)) == 4
    assert set(classes) <= set(bank.splits["val"].tolist())


@pytest.mark.parametrize("wrappers", [(), ("turned",), ("jittered", "turned")])
def test_a_task_is_the_same_in_any_batch(bank: TaskBank, wrappers: tuple[str, ...]) -> None:
    """Task i depends on the seed and on i alone, so that any worker or rank can draw it."""
    batch, classes = generation_tasks(task_stream(bank, 7, wrappers), "train", range(3, 8), *SHAPE)
    alone, alone_class = generation_tasks(task_stream(bank, 7, wrappers), "train", range(5, 6), *SHAPE)
    assert alone_class == classes[2:3]
    assert all(torch.equal(batch[name][2:3], value) for name, value in alone.items())
    other, _ = generation_tasks(task_stream(bank, 8, wrappers), "train", range(5, 6), *SHAPE)
    assert not any(torch.equal(other[name], value) for name, value in alone.items())


def test_turning_turns_support_and_query_alike(bank: TaskBank) -> None:
    plain, _ = generation_tasks(task_stream(bank, 0), "train", range(12), *SHAPE)
    turned, _ = generation_tasks(task_stream(bank, 0, ["turned"]), "train", range(12), *SHAPE)
    turns = []
    for task in range(12):
        turns += [
            turn
            for turn in range(4)
            if all(
                torch.equal(torch.rot90(plain[part][task], turn, (-2, -1)), turned[part][task])
                for part in ("support", "query")
            )
        ]
    assert len(turns) == 12
    assert len(set(turns)) > 1


def test_noise_is_standard_normal_and_differs_between_tasks_and_seeds() -> None:
    noise = task_noise(3, 5, 10_000)
    assert noise.mean().abs() < 0.05
    assert (noise.std() - 1).abs() < 0.05
    assert torch.equal(noise, task_noise(3, 5, 10_000))
    for other in (task_noise(3, 6, 10_000), task_noise(4, 5, 10_000)):
        assert torch.corrcoef(torch.stack([noise, other]))[0, 1].abs() < 0.05


def test_where_one_exemplar_leads_they_lead_in_turn(bank: TaskBank) -> None:
    """The four images of a task that are drawn from the outer noise, and those of each inner draw of four."""
    networks = Networks(noise_size=5, exemplars=4, lead=1.0)
    led_by = [
        leading(noise, 4).sum(0)
        for tasks in (
            generation_tasks(task_stream(bank, 0), "val", range(4), 4, 4, 2, networks)[0],
            sampling_tasks(torch.zeros(2, 4, 1, 16, 16), 2, 8, 0, networks),
        )
        for part in ("inner_noise", "outer_noise")
        for noise in tasks[part].reshape(-1, 4, 5)
    ]
    assert torch.stack(led_by).eq(1).all()
    plain = generation_tasks(task_stream(bank, 0), "val", range(4), 4, 4, 2, Networks(noise_size=5))[0]
    assert not all((leading(noise, 4).sum(0) == 1).all() for noise in plain["outer_noise"])


def test_batches_go_on_from_any_meta_step(bank: TaskBank) -> None:
    """What resuming rests on."""

    def batches(start: int) -> TaskBatches:
        stream = task_stream(bank, 0, ["turned"])
        return TaskBatches(lambda indices: generation_tasks(stream, "train", indices, *SHAPE)[0], 2, start)

    whole, rest = list(islice(batches(0), 4)), list(islice(batches(2), 2))
    for left, right in zip(whole[2:], rest, strict=True):
        assert all(torch.equal(left[name], right[name]) for name in left)
    assert not torch.equal(whole[0]["support"], whole[1]["support"])
    assert all(len(value) == 2 for value in whole[0].values())
