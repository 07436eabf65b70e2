"""The model card: what a model is, where it comes from, its numbers and its limits."""

from __future__ import annotations

from collections.abc import Mapping


def model_card(name: str, about: str, facts: Mapping[str, object], limits: str) -> str:
    """A page of Markdown with the facts as a table."""
    rows = "\n".join(f"| {fact} | {_shown(value)} |" for fact, value in facts.items())
    return f"# {name}\n\n{about}\n\n| | |\n|---|---|\n{rows}\n\n## Limits\n\n{limits}\n"


def _shown(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value).replace("|", "\\|")
