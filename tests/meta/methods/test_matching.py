from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from metagan.meta.learners import TaskTensors
from metagan.meta.methods.matching import attention
from metagan.meta.methods.matching_fce import READS, FullContext


def test_attention_is_a_softmax_of_cosines() -> None:
    """Cosines of (2, 0) with (5, 0), (0, 3) and (-1, -1): 1, 0 and -1/sqrt 2; ten times as sharp."""
    weights = attention(torch.tensor([[2.0, 0.0]]), torch.tensor([[5.0, 0.0], [0.0, 3.0], [-1.0, -1.0]]))
    raw = [math.exp(10), 1.0, math.exp(-10 / math.sqrt(2))]
    torch.testing.assert_close(weights, torch.tensor([[value / sum(raw) for value in raw]]))


def test_probabilities_are_the_attention_on_each_class(
    build: Callable[..., Any], make_task: Callable[..., TaskTensors]
) -> None:
    built, task = build("matching"), make_task()
    support, query = built.network(task["support"]), built.network(task["query"])
    cosines = F.cosine_similarity(query[:, None], support[None], dim=2)
    weights = (10 * cosines).softmax(1)
    expected = torch.stack([weights[:, task["support_labels"] == label].sum(1) for label in range(3)], 1)
    logits = built.learner.predictor(built.parameters, task)(task["query"])
    torch.testing.assert_close(logits.softmax(1), expected)
    loss = built.learner.outer_loss("", [built.parameters], [1.0], task)
    torch.testing.assert_close(loss, -expected[torch.arange(6), task["query_labels"]].log().mean())


@pytest.fixture
def context() -> FullContext:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return FullContext(3).double()


def lstm_cell(inputs: Tensor, state: Tensor, cell: Tensor, *weights: Tensor) -> tuple[Tensor, Tensor]:
    """The textbook equations; weights as torch orders them: input, forget, candidate, output."""
    of_input, of_state, input_bias, state_bias = weights
    gates = inputs @ of_input.T + input_bias + state @ of_state.T + state_bias
    enter, keep, candidate, leave = gates.chunk(4, dim=-1)
    cell = keep.sigmoid() * cell + enter.sigmoid() * candidate.tanh()
    return leave.sigmoid() * cell.tanh(), cell


def run(rows: Tensor, lstm: nn.LSTM, suffix: str) -> list[Tensor]:
    names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    weights = [getattr(lstm, name + suffix) for name in names]
    state = cell = torch.zeros(3, dtype=torch.float64)
    states = []
    for row in rows:
        state, cell = lstm_cell(row, state, cell, *weights)
        states.append(state)
    return states


def test_full_context_is_the_paper_s(context: FullContext) -> None:
    """Appendix A.2 for the support set, A.1 for a query: equations 3 to 6, its state starting as the query itself."""
    generator = torch.Generator().manual_seed(1)
    queries, support = (torch.randn(n, 3, dtype=torch.float64, generator=generator) for n in (2, 4))
    forwards = run(support, context.support_lstm, "")
    backwards = run(support.flip(0), context.support_lstm, "_reverse")[::-1]
    expected_support = support + torch.stack(forwards) + torch.stack(backwards)

    reader = context.query_lstm
    weights = reader.weight_ih, reader.weight_hh, reader.bias_ih, reader.bias_hh
    expected_queries = []
    for query in queries:
        state, cell = query, torch.zeros(3, dtype=torch.float64)
        for _ in range(READS):
            shares = torch.stack([state @ row for row in expected_support]).softmax(0)
            read = sum(share * row for share, row in zip(shares, expected_support, strict=True))
            hidden, cell = lstm_cell(torch.cat([query, read]), state, cell, *weights)
            state = hidden + query
        expected_queries.append(state)

    found_queries, found_support = context(queries, support)
    torch.testing.assert_close(found_support, expected_support)
    torch.testing.assert_close(found_queries, torch.stack(expected_queries))


def test_context_is_part_of_what_is_trained(build: Callable[..., Any], make_task: Callable[..., TaskTensors]) -> None:
    """The prediction is attention between features in context, and every LSTM weight has a gradient."""
    built, task = build("matching_fce"), make_task()
    features = built.network(task["query"]), built.network(task["support"])
    weights = attention(*built.network.context(*features))
    expected = weights @ F.one_hot(task["support_labels"]).double()
    logits = built.learner.predictor(built.parameters, task)(task["query"])
    torch.testing.assert_close(logits.softmax(1), expected)
    gradients = built.gradient(task)
    lstm = [name for name in gradients if name.startswith("classifier.context.")]
    assert len(lstm) == 12
    assert all(gradients[name].abs().max() > 0 for name in lstm)
