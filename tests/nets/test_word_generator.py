"""The generator of words."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch.func import functional_call

from metagan.nets.word_encoder import WordEncoder
from metagan.nets.word_generator import WordGenerator

CHARACTERS, LENGTH = 7, 5


def generator(seed: int = 0, **changes: torch.Tensor) -> WordGenerator:
    torch.manual_seed(seed)
    made = WordGenerator(CHARACTERS, LENGTH, 8)
    made.memory.data = torch.randn(3, CHARACTERS, LENGTH)
    for name, value in changes.items():
        made.get_parameter(name).data = value
    return made


def words(*codes: list[int]) -> torch.Tensor:
    return F.one_hot(torch.tensor(codes), CHARACTERS).float().transpose(1, 2)[:, :, None]


def test_words_are_exactly_one_hot_and_stay_ended() -> None:
    made = generator()(torch.randn(200, LENGTH))
    assert set(made.unique().tolist()) <= {0.0, 1.0} and torch.equal(made.sum(1), torch.ones(200, 1, LENGTH))
    codes = made[:, :, 0].argmax(1)
    ended = (codes == 0).cumsum(1) > 0
    assert (codes[ended] == 0).all() and ended.any()


def test_without_a_gradient_the_same_words_are_written() -> None:
    made, noise = generator(), torch.randn(50, LENGTH)
    with torch.no_grad():
        assert torch.equal(made(noise).round(), made(noise)) and (made(noise).sum(1) == 1).all()
        drawn = made(noise)
    assert torch.equal(drawn, made(noise).detach())


def test_chances_of_all_words_sum_to_one() -> None:
    """Every word of up to four letters out of two, and all longer ones, which are cut."""
    made = WordGenerator(3, 4, 8)
    made.memory.data = torch.randn(2, 3, 4)
    all_codes = torch.cartesian_prod(*[torch.arange(3)] * 4)
    is_word = ((all_codes == 0).cumsum(1) > 0) == (all_codes == 0)
    told = F.one_hot(all_codes[is_word.all(1)], 3).float().transpose(1, 2)[:, :, None]
    chances = made(torch.zeros(len(told), 4), told).exp()
    assert len(told) == 31 and math.isclose(chances.sum().item(), 1, abs_tol=1e-3)


def test_words_come_as_often_as_their_chances_say() -> None:
    made = generator()
    drawn = made(torch.randn(20_000, LENGTH))[:, :, 0].argmax(1)
    for code in (0, 3, 5):
        word = [code, 0, 0, 0, 0]
        often = (drawn == torch.tensor(word)).all(1).float().mean().item()
        chance = made(torch.zeros(1, LENGTH), words(word)).exp().item()
        assert abs(often - chance) < 4 * math.sqrt(chance / 20_000) + 1e-4


def test_a_sure_copier_writes_what_it_remembers() -> None:
    shown = words([1, 2, 3, 4, 0], [5, 6, 1, 0, 0])
    encoder = WordEncoder(CHARACTERS, 8)
    assert not any(part.any() for part in encoder(shown))  # before it has learned to remember
    with torch.no_grad():
        encoder.clarity.fill_(0.08)
    memory, _ = encoder(shown)
    made = generator(memory=20 * memory, **{"gate.bias": torch.tensor([50.0]), "trust": torch.full((4,), 20.0)})
    drawn = made(torch.randn(50, LENGTH))
    assert {tuple(word) for word in drawn[:, :, 0].argmax(1).tolist()} == {(1, 2, 3, 4, 0), (5, 6, 1, 0, 0)}


def test_the_gradient_is_that_of_the_chances_after_what_was_drawn() -> None:
    """Straight through, compared with finite differences of the soft words, the drawn ones held as they are."""
    made = generator().double()
    noise = torch.randn(4, LENGTH, dtype=torch.float64)
    weight = torch.randn(4, CHARACTERS, 1, LENGTH, dtype=torch.float64)
    drawn = made(noise).detach()
    found = torch.autograd.grad((made(noise) * weight).sum(), made.code)[0]

    def soft(code: torch.Tensor) -> torch.Tensor:
        total = torch.zeros((), dtype=torch.float64)
        for place in range(LENGTH):
            for character in range(CHARACTERS):
                other = drawn.clone()
                other[:, :, 0, place:] = 0
                other[:, character, 0, place] = 1
                parameters = {**dict(made.named_parameters()), "code": code}
                until = [functional_call(made, parameters, (noise, cut(other, end))) for end in (place + 1, place)]
                open_ = (drawn[:, 0, 0, :place].sum(1) == 0).double()
                total = total + ((until[0] - until[1]).exp() * weight[:, character, 0, place] * open_).sum()
        return total

    step = 1e-5
    for i in range(3):
        change = torch.zeros(8, dtype=torch.float64)
        change[i] = step
        expected = (soft(made.code.data + change) - soft(made.code.data - change)) / (2 * step)
        assert math.isclose(found[i].item(), expected.item(), rel_tol=1e-3, abs_tol=1e-5)


def cut(told: torch.Tensor, length: int) -> torch.Tensor:
    """The words up to a place, after which nothing is asked: all mass on the place is 1 by the logarithm's tiny."""
    padded = told.clone()
    padded[:, :, :, length:] = 1.0
    return padded
