from __future__ import annotations

from metagan.reporting.model_card import model_card


def test_a_card_holds_everything_as_markdown() -> None:
    card = model_card("a model", "What it is.", {"score": 0.123456, "note": "one | two"}, "What it cannot.")
    assert card == (
        "# a model\n\nWhat it is.\n\n| | |\n|---|---|\n| score | 0.1235 |\n| note | one \\| two |\n"
        "\n## Limits\n\nWhat it cannot.\n"
    )
