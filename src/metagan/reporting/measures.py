"""What each arm and each metric of the generation is called, how it is drawn, and which value is best."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

HEADLINE_EPSILON = 0.1  # the radius of the attack that is spoken of when one number must do


@dataclass(frozen=True)
class Arm:
    """One method in the comparison; colours are from Okabe and Ito's colour-blind-safe palette, darkened for text.

    The explanation is for `domains.Names.told`.
    """

    name: str
    label: str
    explanation: str
    colour: str
    marker: str = ""
    dash: str = ""


TRAINED_ARMS = (
    Arm(
        "adapted",
        "adapted",
        "the meta-learned networks after n adversarial steps on the support set",
        "#0067a5",
        "circle",
    ),
    Arm(
        "fine_tuned",
        "fine-tuned",
        "an ordinary GAN, trained on all train classes for as long as the meta-learned networks, then the same n steps",
        "#c44f00",
        "square",
    ),
    Arm(
        "scratch",
        "scratch",
        "the same networks and the same n steps from a random initialisation",
        "#00805f",
        "triangle",
    ),
)
REFERENCE_ARMS = (
    Arm("real", "real", "real {many} of the same classes: the floor of every distance", "#1a1a1a", dash="6 4"),
    Arm(
        "jittered",
        "jittered",
        "the support {many} moved a little, at random, which needs no model",
        "#8a6d3b",
        dash="4 2",
    ),
    Arm("copycat", "copycat", "the support {many} repeated: faithful, but nothing new", "#7a7a7a", dash="2 3"),
)
ARMS = {arm.name: arm for arm in TRAINED_ARMS + REFERENCE_ARMS}


@dataclass(frozen=True)
class Metric:
    """A metric and the value it should have: `goal` is -inf (lower is better), inf (higher is better) or a target.

    The explanation is for `domains.Names.told`.
    """

    name: str
    label: str
    goal: float
    explanation: str
    scale: str = "linear"
    bounds: tuple[float, float] | None = None

    @property
    def arrow(self) -> str:
        if math.isinf(self.goal):
            return "↑" if self.goal > 0 else "↓"
        return f"→ {self.goal:g}"

    @property
    def direction(self) -> str:
        if math.isinf(self.goal):
            return "higher is better" if self.goal > 0 else "lower is better"
        return f"closer to {self.goal:g} is better"

    def shortfall(self, value: float) -> float:
        """How far a value is from the goal; only the order of shortfalls has a meaning."""
        if math.isinf(self.goal):
            return -value if self.goal > 0 else value
        return abs(value - self.goal)


SHARE = (0.0, 1.0)
METRICS = (
    Metric(
        "two_sample",
        "Two-sample test",
        0.5,
        "How often a small network tells samples, as they are saved, from real {many} of classes that it was not "
        "trained on (Lopez-Paz and Oquab 2017): 0.5 if it cannot.",
        bounds=SHARE,
    ),
    Metric(
        "two_sample_binarised",
        "Two-sample test, binarised",
        0.5,
        "The same where {binarised}.",
        bounds=SHARE,
    ),
    Metric(
        "use",
        "Use",
        math.inf,
        "Accuracy on real {many} of a classifier that is trained from scratch on samples alone (Ravuri and Vinyals "
        "2019); on the support {many} for arms that do not adapt.",
        bounds=SHARE,
    ),
    Metric(
        "recognisability",
        "Recognisability",
        math.inf,
        "Share of samples that the embedder, shown one real {one} of each of many classes, takes for their own class. "
        "None of those {many} was adapted to.",
        bounds=SHARE,
    ),
    Metric(
        "fjd",
        "FJD",
        -math.inf,
        "Fréchet joint distance of samples with their task's support set: sees whether a sample belongs to its class.",
        scale="root",
    ),
    Metric(
        "fid",
        "FID",
        -math.inf,
        "Fréchet distance between all samples and all real {many}, blind to their classes.",
        scale="root",
    ),
    Metric(
        "kid",
        "KID",
        -math.inf,
        "Kernel distance between all samples and all real {many}: unbiased, so it may fall below 0.",
        scale="root",
    ),
    Metric(
        "diversity",
        "Diversity",
        1.0,
        "Spread of a class's samples over the spread of its real {many}; 0 when all samples are alike.",
    ),
    Metric(
        "memorisation",
        "Memorisation",
        0.5,
        "Share of samples nearer to a support {one} than to any unseen {one} of the class; 1 for copies.",
        bounds=SHARE,
    ),
    Metric(
        "haze",
        "Haze",
        0.0,
        "Mean level of samples, 0 {least} and 1 {most}, where every real {one} of the class is {least}.",
        bounds=SHARE,
    ),
    Metric(
        "two_sample_neighbours",
        "Two-sample test, nearest neighbours",
        0.5,
        "By nearest neighbours in the features of an embedder that nothing else uses.",
        bounds=SHARE,
    ),
    Metric(
        "two_sample_features",
        "Two-sample test, features",
        0.5,
        "By a network of 20 hidden units on the same features.",
        bounds=SHARE,
    ),
    Metric(
        "precision", "Precision", math.inf, "Share of samples that fall among the real {many}: fidelity.", bounds=SHARE
    ),
    Metric("recall", "Recall", math.inf, "Share of real {many} that fall among the samples: variety.", bounds=SHARE),
    Metric(
        "density",
        "Density",
        math.inf,
        "Precision that counts how many real neighbourhoods hold a sample; may exceed 1.",
    ),
    Metric(
        "coverage", "Coverage", math.inf, "Share of real {many} with a sample in their neighbourhood.", bounds=SHARE
    ),
)


def best(metric: Metric, candidates: Mapping[str, float]) -> set[str]:
    """The arms with the best value; all of them when they tie, none when there is nothing to compare."""
    known = {arm: metric.shortfall(value) for arm, value in candidates.items() if not math.isnan(value)}
    if len(known) < 2:
        return set()
    return {arm for arm, shortfall in known.items() if shortfall == min(known.values())}
