from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from metagan.domains import DOMAINS
from metagan.domains.image import image
from metagan.errors import UserError
from metagan.parameters import EmbedderArchitecture, EmbedderNetwork, MetaTrain
from metagan.tasks.bank import TaskBank
from metagan.tasks.sampling import Episode
from metagan.tasks.streams import BankStream
from metagan.training import embedder
from metagan.training.embedder import few_shot_accuracy, load_embedder, prototype_logits, train_embedder
from metagan.training.gan import architecture_of, initial_gan
from metagan.training.saved import EmbedderHeader, Provenance, SavedModel

SETTINGS = EmbedderNetwork(width=8, feature_size=8, episodes=3, n_way=4, n_query=2)
OTHER_ROLE = SETTINGS.model_copy(update={"seed_offset": 1000})

MakeBank = Callable[..., TaskBank]
Trained = SavedModel[EmbedderHeader]


def trained(bank: TaskBank, settings: EmbedderNetwork = SETTINGS, seed: int = 0) -> Trained:
    return train_embedder(bank, settings, seed, progress=False)


def same(first: Trained, second: Trained) -> bool:
    return all(torch.equal(value, second.state[name]) for name, value in first.state.items())


def with_other_images(bank: TaskBank, classes: np.ndarray) -> TaskBank:
    images = bank.images.copy()
    for index in classes:
        images[bank.offsets[index] : bank.offsets[index + 1]] ^= 255
    return replace(bank, images=images)


@pytest.mark.parametrize("wrappers", [(), ("turned",)])
def test_only_train_classes_are_ever_seen(bank: TaskBank, wrappers: tuple[str, ...]) -> None:
    settings = SETTINGS.model_copy(update={"stream": wrappers})
    expected = trained(bank, settings)
    unseen = np.concatenate([bank.splits["val"], bank.splits["test"]])
    assert same(expected, trained(with_other_images(bank, unseen), settings))
    assert not same(expected, trained(with_other_images(bank, bank.splits["train"]), settings))


@pytest.mark.parametrize("half", ["first", "second"])
def test_an_embedder_of_half_the_classes_never_sees_the_others(bank: TaskBank, half: str) -> None:
    settings = SETTINGS.model_copy(update={"class_half": half, "n_way": 3})
    first, second = np.split(bank.splits["train"], 2)
    own, other = (first, second) if half == "first" else (second, first)
    expected = trained(bank, settings)
    assert same(expected, trained(with_other_images(bank, other), settings))
    assert not same(expected, trained(with_other_images(bank, own), settings))


def test_the_two_roles_share_neither_start_nor_episodes(bank: TaskBank, monkeypatch: pytest.MonkeyPatch) -> None:
    starts, drawn = [], []
    make, draw = image.embedder, BankStream.episode

    def recorded_network(architecture: EmbedderArchitecture) -> torch.nn.Module:
        network = make(architecture)
        starts.append(network.head.weight.detach().clone())
        return network

    def recorded_episode(stream: BankStream, split: str, index: int, *shape: int) -> Episode:
        drawn.append((stream.seed, index))
        return draw(stream, split, index, *shape)

    monkeypatch.setitem(DOMAINS, "image", replace(image, embedder=recorded_network))
    monkeypatch.setattr(BankStream, "episode", recorded_episode)
    assert not same(trained(bank), trained(bank, OTHER_ROLE))
    assert not torch.equal(*starts)
    assert drawn == [(0, 0), (0, 1), (0, 2), (1000, 0), (1000, 1), (1000, 2)]


def test_same_seed_same_weights_other_seed_others(bank: TaskBank) -> None:
    first = trained(bank)
    torch.rand(1)  # the global random state does not count
    assert same(first, trained(bank))
    assert not same(first, trained(bank, seed=1))


def test_training_leaves_the_global_random_state_alone(bank: TaskBank) -> None:
    state = torch.random.get_rng_state()
    trained(bank)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_training_teaches_to_tell_classes_apart(make_bank: MakeBank) -> None:
    """Against the same network that was trained for two episodes only."""
    bank = make_bank(noise=60)
    untaught, taught = (
        load_embedder(trained(bank, SETTINGS.model_copy(update={"episodes": n, "n_query": 5, "n_way": 8})), bank)
        for n in (2, 150)
    )
    before, after = (few_shot_accuracy(network, bank, "train", 8, 1, 60, seed=0) for network in (untaught, taught))
    assert after > before + 0.1


def test_an_embedder_says_which_bank_it_knows(bank: TaskBank) -> None:
    assert trained(bank).header.provenance.made_from == {"task_bank": bank.content_hash}


def test_a_loaded_embedder_is_frozen(bank: TaskBank) -> None:
    network = load_embedder(trained(bank), bank)
    assert not network.training
    assert not any(value.requires_grad for value in network.parameters())
    assert network(torch.rand(3, 1, 16, 16)).shape == (3, 8)


def test_weights_of_another_kind_are_refused(bank: TaskBank, make_settings: Callable[..., MetaTrain]) -> None:
    settings = make_settings()
    gan = initial_gan(architecture_of(bank, settings), settings.inner, 0).save("meta_model", Provenance())
    with pytest.raises(UserError, match="weights of kind 'embedder' are needed, not 'meta_model'"):
        load_embedder(gan, bank)


def test_an_embedder_of_other_images_is_refused(bank: TaskBank) -> None:
    small = trained(bank)
    architecture = small.header.architecture.model_copy(update={"shape": (1, 28, 28)})
    saved = replace(small, header=small.header.model_copy(update={"architecture": architecture}))
    with pytest.raises(
        ValueError, match=r"^embedder: trained on examples of domain image and shape \(1, 28, 28\), but the task "
    ):
        load_embedder(saved, bank)


def test_too_many_ways_for_the_classes_is_an_error(bank: TaskBank) -> None:
    with pytest.raises(
        ValueError,
        match=r"^embedder: n_way is 9, but there are only \d train classes; lower embedder\.evaluation\.n_way",
    ):
        trained(bank, SETTINGS.model_copy(update={"n_way": 9}))


def pixels(images: torch.Tensor) -> torch.Tensor:
    return images.flatten(1)


@pytest.mark.parametrize("split", ["train", "val"])
def test_accuracy_is_1_when_classes_lie_apart(make_bank: MakeBank, split: str) -> None:
    assert few_shot_accuracy(pixels, make_bank(noise=1.0), split, n_way=5, k_shot=1, episodes=10, seed=0) == 1.0


def test_accuracy_is_chance_when_classes_are_the_same(make_bank: MakeBank) -> None:
    bank = make_bank()
    noise = np.random.default_rng(0).integers(0, 256, bank.images.shape, dtype=np.uint8)
    accuracy = few_shot_accuracy(pixels, replace(bank, images=noise), "val", n_way=5, k_shot=1, episodes=200, seed=0)
    assert accuracy == pytest.approx(0.2, abs=0.06)  # over 3 standard errors


def test_prototypes_are_class_means(bank: TaskBank) -> None:
    drawn = embedder.episode(bank, "train", 0, 0, 3, 2, 2)
    logits, labels = prototype_logits(pixels, drawn)
    assert labels.tolist() == [0, 0, 1, 1, 2, 2]
    query = drawn.query[1, 1].flatten()
    expected = [-(query - shots.flatten(1).mean(0)).square().sum() for shots in drawn.support]
    torch.testing.assert_close(logits[3], torch.stack(expected))
