"""Lists of words of unseen classes, made or real: how near to the class, how varied, and how new?"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.naive_bayes import MultinomialNB

from metagan.evaluation.n_grams import covered, jensen_shannon, n_grams

LARGEST_GROUP = 20
"""Classes among which a word is to be recognised."""
SMOOTHING = 0.1
"""Of the classifier's counts."""


class WordTask(NamedTuple):
    """One class: words that a generator is shown, as many others as it is to write, and the rest, to compare with."""

    name: str
    support: tuple[str, ...]
    real: tuple[str, ...]
    rest: tuple[str, ...]


@dataclass(frozen=True)
class Recogniser:
    """Says of which class in a group of them a word is, by up to three characters in a row.

    Multinomial naive Bayes on counts of n-grams (McCallum and Nigam 1998), fitted to the rest of each class.
    """

    vectoriser: CountVectorizer
    classifier: MultinomialNB

    def share(self, lists: Sequence[Sequence[str]]) -> list[float]:
        """For each list of the group, in order, the share of its words that are taken for its class."""
        found = []
        for label, words in enumerate(lists):
            said = self.classifier.predict(self.vectoriser.transform(words))
            found.append(float((said == label).mean()))
        return found


def recogniser(tasks: Sequence[WordTask]) -> Recogniser:
    """One for a group of classes; each class is equally likely beforehand."""
    vectoriser = CountVectorizer(analyzer="char_wb", ngram_range=(1, 3), lowercase=False)
    words = [word for task in tasks for word in task.rest]
    labels = np.repeat(np.arange(len(tasks)), [len(task.rest) for task in tasks])
    classifier = MultinomialNB(alpha=SMOOTHING, fit_prior=False).fit(vectoriser.fit_transform(words), labels)
    return Recogniser(vectoriser, classifier)


def measured(lists: Sequence[Sequence[str]], tasks: Sequence[WordTask], known: Collection[str]) -> Mapping[str, float]:
    """Means over tasks of a list of words for each. `known` are words that the training has seen.

    js_1, js_2, js_3: divergence of n-grams to the rest. quality: share of the lists' n-grams of three that the rest
    has; diversity: share of the rest's that the list has. novelty: share neither in the support set nor known.
    uniqueness: different words over words. recognisability: among LARGEST_GROUP classes.
    """
    rows = []
    for words, task in zip(lists, tasks, strict=True):
        threes, rest = n_grams(words, 3), n_grams(task.rest, 3)
        rows.append(
            {
                **{f"js_{n}": jensen_shannon(n_grams(words, n), n_grams(task.rest, n)) for n in (1, 2, 3)},
                "quality": covered(threes, rest),
                "diversity": covered(rest, threes),
                "novelty": float(np.mean([word not in known and word not in task.support for word in words])),
                "uniqueness": len(set(words)) / len(words),
            }
        )
    recognised: list[float] = []
    for first in range(0, len(tasks), LARGEST_GROUP):
        group = slice(first, first + LARGEST_GROUP)
        recognised += recogniser(tasks[group]).share(lists[group])
    means = {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
    return {**means, "recognisability": float(np.mean(recognised))}


def above(point: Mapping[str, float], curve: Sequence[Mapping[str, float]]) -> float | None:
    """By how much the quality of a point is above a curve's at its diversity, linearly between the curve's points; None
    where the curve does not reach that diversity."""
    ordered = sorted(curve, key=lambda row: row["diversity"])
    reached = [row["diversity"] for row in ordered]
    if not reached[0] <= point["diversity"] <= reached[-1]:
        return None
    return point["quality"] - float(np.interp(point["diversity"], reached, [row["quality"] for row in ordered]))
