"""Results as a real run leaves them: letters from matplotlib's fonts, numbers like those in the design's tables."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageDraw, ImageFont

from metagan.domains import stored_example

STEPS = [0, 1, 2, 5, 10, 20]
LETTERS = "ДЖФЩЮЯбдԱԲԳԴξψωλ"
FACES = ("DejaVuSans", "DejaVuSans-Bold", "DejaVuSerif", "DejaVuSansMono", "DejaVuSans-Oblique")


@dataclass(frozen=True)
class Results:
    """The arguments of `build_report`."""

    generation: dict
    pictures: dict[str, np.ndarray]
    history: pd.DataFrame
    parameters: dict
    data_card: dict
    embedder_metrics: dict
    timings: dict[str, float]
    title: str = "metagan"


@cache
def font(face: str, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts/ttf" / f"{face}.ttf"), size)


def letter(character: str, face: str, size: int, generator: np.random.Generator) -> np.ndarray:
    image = Image.new("L", (size, size))
    place = size / 2 + generator.uniform(-1.5, 1.5, size=2)
    ImageDraw.Draw(image).text(tuple(place), character, font=font(face, round(size * 0.75)), fill=255, anchor="mm")
    return np.asarray(image.rotate(generator.uniform(-8, 8), Image.Resampling.BICUBIC))


def make_pictures(
    n_classes: int = 16, k_shot: int = 8, n: int = 12, channels: int = 1, size: int = 28
) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(0)

    def images(character: str, count: int) -> np.ndarray:
        drawn = [letter(character, FACES[generator.integers(len(FACES))], size, generator) for _ in range(count)]
        return np.repeat(np.stack(drawn)[:, None], channels, axis=1)

    everything = np.stack([images(character, n) for character in LETTERS[:n_classes]])

    def samples(goodness: float) -> np.ndarray:
        blob = everything.mean(axis=(0, 1), keepdims=True)
        noise = generator.normal(0, 40 * (1 - goodness), everything.shape)
        return np.clip(goodness * everything + (1 - goodness) * 1.5 * blob + noise, 0, 255).astype(np.uint8)

    def trajectory(final: float) -> np.ndarray:
        return np.stack([samples(final * step / (step + 3)) for step in STEPS], axis=1)

    return {
        "support": np.stack([images(character, k_shot) for character in LETTERS[:n_classes]]),
        "real": np.stack([images(character, n) for character in LETTERS[:n_classes]]),
        "adapted": trajectory(1.1),
        "scratch": trajectory(0.2),
        "fine_tuned": trajectory(0.6),
    }


def make_generation() -> dict:
    def arm(**series: list[float]) -> dict[str, list[float]]:
        return series

    return {
        "source": "omniglot",
        "example": stored_example("image", (1, 28, 28), on_paper=True).model_dump(mode="json"),
        "split": "test",
        "n_tasks": 100,
        "n_classes": 100,
        "k_shot": 8,
        "n_query": 12,
        "n_way": 20,
        "steps": STEPS,
        "embedder": {"accuracy_20way_1shot": 0.9134},
        "arms": {
            "adapted": arm(
                two_sample=[1.0, 0.95, 0.92, 0.87, 0.86, 0.85],
                two_sample_binarised=[1.0, 0.9, 0.8, 0.71, 0.7, 0.69],
                use=[0.05, 0.4, 0.6, 0.81, 0.84, 0.85],
                fid=[7.42, 4.1, 3.0, 1.62, 1.35, 1.16],
                fjd=[14.9, 8.3, 5.9, 2.71, 2.2, 1.93],
                kid=[0.62, 0.31, 0.2, 0.071, 0.052, 0.041],
                precision=[0.21, 0.4, 0.52, 0.68, 0.74, 0.77],
                recall=[0.11, 0.35, 0.47, 0.66, 0.71, 0.73],
                density=[0.1, 0.32, 0.47, 0.71, 0.8, 0.86],
                coverage=[0.05, 0.22, 0.38, 0.6, 0.67, 0.71],
                recognisability=[0.05, 0.31, 0.452, 0.671, 0.756, 0.802],
                diversity=[1.21, 1.1, 1.05, 0.98, 0.95, 0.93],
                memorisation=[0.48, 0.5, 0.51, 0.53, 0.55, 0.57],
            ),
            "scratch": arm(
                two_sample=[1.0] * 6,
                two_sample_binarised=[1.0] * 6,
                use=[0.05] * 6,
                fid=[41.0, 35.2, 33.1, 28.4, 23.0, 17.2],
                fjd=[55.3, 48.0, 46.1, 39.7, 33.8, 27.5],
                kid=[5.2, 4.7, 4.4, 3.6, 2.9, 2.1],
                precision=[0.0, 0.0, 0.0, 0.01, 0.02, 0.03],
                recall=[0.0] * 6,
                density=[0.0, 0.0, 0.0, 0.004, 0.01, 0.02],
                coverage=[0.0, 0.0, 0.0, 0.002, 0.004, 0.01],
                recognisability=[0.05, 0.049, 0.05, 0.052, 0.06, 0.071],
                diversity=[0.02, 0.05, 0.11, 0.22, 0.35, 0.44],
                memorisation=[0.5, 0.47, 0.49, 0.5, 0.52, 0.51],
            ),
            "fine_tuned": arm(
                two_sample=[1.0, 1.0, 0.99, 0.98, 0.97, 0.96],
                two_sample_binarised=[1.0, 0.99, 0.98, 0.97, 0.96, 0.95],
                use=[0.05, 0.5, 0.7, 0.2, 0.3, 0.4],
                fid=[2.1, 2.4, 2.6, 3.1, 3.8, 4.3],
                fjd=[9.6, 9.4, 9.1, 8.8, 8.5, 8.0],
                kid=[0.09, 0.1, 0.12, 0.16, 0.22, 0.28],
                precision=[0.62, 0.6, 0.59, 0.57, 0.52, 0.5],
                recall=[0.7, 0.68, 0.66, 0.6, 0.55, 0.48],
                density=[0.63, 0.6, 0.58, 0.52, 0.47, 0.45],
                coverage=[0.55, 0.53, 0.5, 0.44, 0.4, 0.36],
                recognisability=[0.05, 0.06, 0.07, 0.121, 0.164, 0.22],
                diversity=[1.45, 1.43, 1.4, 1.36, 1.3, 1.21],
                memorisation=[0.49, 0.5, 0.5, 0.51, 0.5, 0.52],
            ),
            "copycat": arm(
                fid=[0.71],
                fjd=[0.94],
                kid=[0.003],
                precision=[0.97],
                recall=[0.81],
                density=[1.02],
                coverage=[0.78],
                recognisability=[0.871],
                diversity=[0.89],
                memorisation=[1.0],
            ),
            "real": {
                "fid": 0.42,
                "fjd": 0.61,
                "kid": -0.0002,
                "precision": 0.95,
                "recall": 0.95,
                "density": 1.0,
                "coverage": 0.97,
                "recognisability": 0.868,
                "diversity": 1.0,
                "memorisation": 0.5,
            },
        },
        "two_sample_null": [0.46, 0.54],
        "use": {
            "n_way": 20,
            "episodes": 5,
            "samples_per_class": 48,
            "step": 5,
            "by_shots": {
                k: {
                    name: {"mean": mean + shift, "ci95": 0.021}
                    for name, mean in {
                        "support": 0.5,
                        "support_jitter": 0.6,
                        "as_many_samples": 0.4,
                        "samples": 0.55,
                        "support_samples_jitter": 0.633,
                        "gain": 0.033 - shift,
                    }.items()
                }
                for k, shift in (("1", 0.0), ("5", 0.2), ("8", 0.3))
            },
        },
        "gap_closed": [0.739, 0.838, 0.884, 0.946, 0.952, 0.951],
        "diverged": {"adapted": [0.0] * 6, "scratch": [0.0, 0.0, 0.0, 0.0, 0.0, 0.0125], "fine_tuned": [0.0] * 6},
        "seconds": {"meta_train": 5312.4, "adapt_one_task": 0.084},
    }


def make_history(rows: int = 1200) -> pd.DataFrame:
    generator = np.random.default_rng(1)
    meta_step = np.arange(rows)
    progress = meta_step / rows
    history = pd.DataFrame(
        {
            "meta_step": meta_step,
            "seconds": 4.4 * meta_step,
            "train_loss": 2.1 * np.exp(-4 * progress) + 0.8 + generator.gamma(2, 0.05, rows),
            "skipped": np.where(progress > 0.4, 1, 0),
        }
    )
    looks = meta_step % 60 == 59
    for step, final in ((5, 0.66), (20, 0.79)):
        curve = 0.05 + (final - 0.05) * (1 - np.exp(-4 * progress)) + generator.normal(0, 0.01, rows)
        history[f"val/recognisability_{step}"] = np.where(looks, curve, np.nan)
    history["val/gap_5"] = np.where(looks, 0.6 + 0.35 * (1 - np.exp(-5 * progress)), np.nan)
    return history


@pytest.fixture(scope="session")
def draw_pictures() -> Callable[..., dict[str, np.ndarray]]:
    """`make_pictures`, for pictures of other sizes than those in `results`."""
    return make_pictures


@pytest.fixture(scope="session")
def results() -> Results:
    return Results(
        generation=make_generation(),
        pictures=make_pictures(),
        history=make_history(),
        parameters={
            "seed": 0,
            "tasks": {"source": "omniglot", "image_size": 28, "omniglot": {"mirror": None, "split": "alphabets"}},
            "meta_train": {
                "meta_gradient": "maml",
                "minutes": 90.0,
                "learning_rate": 1e-3,
                "validation_steps": [5, 20],
                "inner": {"steps": 5, "update_rule": "lslr", "adapt_parameters": "all"},
            },
            "evaluate": {"steps": STEPS, "n_tasks": 100, "picture_classes": 16},
        },
        data_card={
            "source": "omniglot",
            "domain": "image",
            "shape": [1, 28, 28],
            "content_hash": "7c563fb7d98dbd312c5e0ccb87230ca9d7e8a13d672e5de6186245e7905ed43e",
            "licence": "MIT (Lake, Salakhutdinov, Tenenbaum 2015)",
            "splits": {
                "train": {"classes": 868, "images": 17360, "groups": 27},
                "val": {"classes": 96, "images": 1920, "groups": 3},
                "test": {"classes": 659, "images": 13180, "groups": 20},
            },
        },
        embedder_metrics={
            "evaluation": {"accuracy_20way_1shot": 0.9134, "accuracy_5way_1shot": 0.9702, "seconds": 92.1},
            "objective": {"accuracy_20way_1shot": 0.8921, "accuracy_5way_1shot": 0.9611, "seconds": 74.8},
        },
        timings={"evaluation embedder": 92.1, "objective embedder": 74.8, "evaluate": 214.7},
    )
