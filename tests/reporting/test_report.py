from __future__ import annotations

import base64
import io
import re
from copy import deepcopy
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
import soundfile
from PIL import Image

from metagan.domains import DOMAINS, stored_example
from metagan.domains.sound import RATE
from metagan.domains.spelling import LONGEST, encoded
from metagan.reporting.report import build_report
from metagan.reporting.sound_columns import CLASSES

VOID = {"meta", "img", "br", "hr", "input", "link"}
HOSTILE = '<script>alert("1")</script>&\'"'


class Page(HTMLParser):
    """Elements, text and nesting of a page; `unclosed` must end empty."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.unclosed: list[str] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, {name: value or "" for name, value in attributes}))
        if tag not in VOID:
            self.unclosed.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, {name: value or "" for name, value in attributes}))

    def handle_endtag(self, tag):
        assert self.unclosed and self.unclosed[-1] == tag, f"</{tag}> closes {self.unclosed[-3:]}"
        self.unclosed.pop()

    def handle_data(self, data):
        self.texts.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.texts))

    def named(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]


def build(results, **changes) -> Page:
    page = Page(build_html(results, **changes))
    assert page.unclosed == []
    return page


def build_html(results, **changes) -> str:
    arguments = {name: getattr(results, name) for name in results.__dataclass_fields__} | changes
    return build_report(**arguments)


def decode(source: str) -> np.ndarray:
    kind, _, data = source.partition(",")
    assert kind == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))


def of_photographs(channels: int, size: int) -> dict:
    return {"example": stored_example("image", (channels, size, size)).model_dump(mode="json")}


def test_nothing_comes_from_a_network(results):
    html = build_html(results)
    page = Page(html)
    for tag, attributes in page.elements:
        assert tag not in {"script", "link", "iframe", "object", "embed", "base", "form", "audio", "video"}
        for name, value in attributes.items():
            assert not name.startswith("on")
            if name in {"src", "href", "srcset", "data", "action", "poster", "xlink:href"}:
                assert value.startswith(("data:image/png;base64,", "#")), (tag, name, value[:60])
            assert "url(" not in value
    assert "@import" not in html and "@font-face" not in html and "url(" not in html
    assert "http://" not in html and "https://" not in html


def test_every_link_has_its_target_and_every_picture_its_words(results):
    page = build(results)
    targets = {attributes["id"] for _, attributes in page.elements if "id" in attributes}
    links = [attributes["href"] for attributes in page.named("a")]
    assert len(links) == 9
    assert {link.removeprefix("#") for link in links} == targets
    assert all(attributes["alt"] for attributes in page.named("img"))
    assert all(attributes.get("aria-label") or attributes.get("aria-hidden") for attributes in page.named("svg"))


def test_every_class_step_and_arm_is_pictured(results):
    alts = [attributes["alt"] for attributes in build(results).named("img")]
    adaptation = ["support", "after 0 steps", "after 1 step", "after 5 steps", "after 20 steps", "real, unseen"]
    comparison = ["support", "adapted", "fine-tuned", "scratch", "real, unseen"]
    expected = [f"class {row}: {name}" for names in (adaptation, comparison) for row in range(1, 17) for name in names]
    assert alts == expected


def test_pictures_hold_the_samples_with_dark_ink_on_white(results):
    images = {a["alt"]: a["src"] for a in build(results).named("img")}
    shown = decode(images["class 3: after 5 steps"])
    sample = results.pictures["adapted"][2, results.generation["steps"].index(5), 5, 0]
    assert np.array_equal(shown[29:57, 29:57], 255 - sample)  # sixth of eight: second row, second place, after a line


def test_photographs_are_not_turned_into_negatives(results):
    generation = results.generation | of_photographs(1, 28)
    page = build(results, generation=generation)
    shown = decode({a["alt"]: a["src"] for a in page.named("img")}["class 1: support"])
    assert np.array_equal(shown[:28, :28], results.pictures["support"][0, 0, 0])
    assert "as on paper" in build(results).text and "as on paper" not in page.text


def test_colour_pictures_stay_in_colour(results, draw_pictures):
    pictures = draw_pictures(n_classes=2, channels=3, size=64)
    pictures["real"][:, :, 0] = 9
    page = build(results, pictures=pictures, generation=results.generation | of_photographs(3, 64))
    shown = decode({a["alt"]: a["src"] for a in page.named("img")}["class 2: real, unseen"])
    assert np.array_equal(shown[:64, :64], pictures["real"][1, 0].transpose(1, 2, 0))
    assert "pictures smooth" in {a.get("class") for a in page.named("div")}


def of_domain(results, domain: str, shape: tuple[int, ...], temperature: dict[str, float]) -> dict:
    generation = deepcopy(results.generation) | {"example": stored_example(domain, shape).model_dump(mode="json")}
    generation["arms"]["adapted"] |= {"haze": [0.1] * len(results.generation["steps"]), "diversity": [0.4] * 6}
    return generation | {"temperature": temperature}


def of_pictures(page: Page) -> set[str]:
    """Words of pictures that stand between the headline and the parameters."""
    told = page.text[page.text.index("A GAN that learned") :]
    told = told[: told.index("Configuration")]
    wrong = {"image", "images", "pixel", "pixels", "black", "white", "stroke", "strokes"}
    return wrong & {*re.findall(r"[a-z]+", told.lower())}


def test_examples_that_are_sounds_are_called_so(results):
    generation = of_domain(results, "speech", (1, 28, 28), {"strokes": 0.5, "bending": 2.0})
    card = results.data_card | {"domain": "speech", "images": 7}
    page = build(results, generation=generation, data_card=card)
    assert of_pictures(page) == set()
    for told in (
        "each from 8 sounds and",
        "Told from real sounds after 5 steps",
        "K real sounds and 48 samples, jittered",
        "never shown to them. Time runs to the right",
        "0 silent and 1 loudest, where every real sound of the class is silent",
        "Noise that changes sounds is multiplied by 0.50 and noise that bends them by 2.00",
        "samples of a class vary less than its real sounds",
        "samples were not finite and count as silent",
        "every place of a spectrogram is set to silent or loudest",
    ):
        assert told in page.text
    assert decode(page.named("img")[0]["src"]).shape == (57, 115)


def test_sounds_can_be_heard(results):
    """Of each class the first: of the support set, after the step of the headline, and a real one."""
    pictures = {name: np.random.default_rng(7).permuted(given, axis=1) for name, given in results.pictures.items()}
    generation = of_domain(results, "speech", (1, 28, 28), {"strokes": 0.5, "bending": 2.0})
    page = build(results, generation=generation, pictures=pictures)
    at = generation["steps"].index(5)
    first = [pictures["support"][:, 0], *(pictures[arm][:, at, 0] for arm in ("adapted", "fine_tuned", "scratch"))]
    by_class = np.stack([*first, pictures["real"][:, 0]], axis=1)[:CLASSES]
    players = page.named("audio")
    assert [player["src"] for player in players] == [
        f"data:audio/wav;base64,{DOMAINS['speech'].form.write(stored, 0)}" for row in by_class for stored in row
    ]
    for player in players[:2]:
        heard, rate = soundfile.read(io.BytesIO(base64.b64decode(player["src"].split(",")[1])))
        assert rate == RATE and np.abs(heard).max() > 0.01
    assert players[1]["aria-label"] == "class 1: adapted" and "trained arms after 5 steps" in page.text
    assert any("media-src data:" in meta.get("content", "") for meta in page.named("meta"))
    assert not build(results).named("audio")


def test_words_are_lists_that_can_be_read(results):
    """Eight at most of each class; an empty one is seen."""
    steps = results.generation["steps"]
    support = np.stack([encoded([f"{way}{'abcdefghi'[number]}" for number in range(9)]) for way in ("kit", "nes")])
    made = np.tile(encoded(["m\u0301o", "", "tor"]), (2, len(steps), 1, 1))
    pictures = {"support": support, "real": support[:, ::-1], "adapted": made, "scratch": made, "fine_tuned": made}
    generation = of_domain(results, "text", (LONGEST,), {"strokes": 0.5, "bending": 1.0})
    generation["arms"]["adapted"].pop("haze")
    html = build_html(
        results, generation=generation, pictures=pictures, data_card=results.data_card | {"domain": "text"}
    )
    page = Page(html)
    assert page.unclosed == page.named("img") == []
    lists = [
        re.findall(r"<li>(.*?)</li>", found) for found in re.findall(r"<figure>.*?<ul>(.*?)</ul>", html, re.DOTALL)
    ]
    assert lists[:2] == [[f"kit{letter}" for letter in "abcdefgh"], ["\u1e3fo", "\u2205", "tor"]]
    assert len(lists) == 2 * (6 + 5) and lists[-1] == [f"nes{letter}" for letter in "ihgfedcb"]
    assert of_pictures(page) == set()
    assert "each from 8 words and" in page.text and re.search(r"classes words groups train 868 17360", page.text)
    assert "Noise that changes words is multiplied by 0.50 when adapted draws" in page.text
    assert "binarised" not in page.text
    assert "binarised" in build(results).text and of_pictures(build(results)) >= {"images", "pixel", "strokes"}


@pytest.mark.parametrize(("k_shot", "n"), [(1, 12), (5, 3), (16, 8)])
def test_any_number_of_support_and_sample_images(results, draw_pictures, k_shot, n):
    page = build(results, pictures=draw_pictures(n_classes=2, k_shot=k_shot, n=n))
    widths = {decode(attributes["src"]).shape[1] for attributes in page.named("img")}
    assert widths == {4 * 28 + 3}
    assert ("support (8 of 16)" in page.text) == (k_shot == 16)


def test_the_numbers_are_there(results):
    text = build(results).text
    for metric in ("Recognisability", "FJD", "FID", "KID", "Diversity", "Memorisation", "Precision", "Recall"):
        assert metric in text
    assert "0.671" in text and "14.90" in text and "0.041" in text  # adapted: recognisability @5, FJD @0, KID @20
    assert "0.868" in text  # real, given as a single number
    assert "1.000" in text  # copycat's memorisation, given as a list of one
    assert "recognises 0.67 of the samples and 0.87 of real images among 20 classes" in text
    assert "gap closed between scratch and real: 0.95" in text


def test_the_two_sample_test_and_use_lead(results):
    text = build(results).text
    head = text[text.index("Told from real images after 5 steps") : text.index("Small print")]
    assert "adapted 0.87 0.71" in head and "scratch 1.00 1.00" in head
    assert "by chance 0.46 to 0.54" in head
    assert "K real images and 48 samples, jittered 0.63 ± 0.02 0.83 ± 0.02 0.93 ± 0.02" in head
    assert "what samples add to jittered real images 0.03 ± 0.02" in head
    assert "Gap closed" not in head and "recognis" not in head.lower()
    ratio = results.generation["arms"]["adapted"]["fjd"][3] / results.generation["arms"]["real"]["fjd"]
    assert f"is {ratio:.2f} times that of real images" in text


def test_a_temperature_is_told(results):
    assert "Noise that" not in build(results).text
    generation = results.generation | {"temperature": {"strokes": 0.35, "bending": 2.0}}
    told = "strokes is multiplied by 0.35 and noise that bends them by 2.00"
    assert told in build(results, generation=generation).text


def test_the_rates_of_the_baselines_are_told_and_one_at_the_end_of_those_tried_is_a_caveat(results):
    assert "Rates of" not in build(results).text
    rates = {"tried": [0.003, 0.3, 1.0], "best": {"scratch": 0.3, "fine_tuned": 0.003}}
    text = build(results, generation=results.generation | {"learning_rates": rates}).text
    assert "the best of those tried on the val classes: scratch 0.3, fine-tuned 0.003." in text
    assert "fine-tuned did best at a rate of 0.003, an end of those that were tried" in text
    assert "scratch did best" not in text


@pytest.mark.parametrize(("joint", "unequal"), [(239.0, True), (241.0, False), (359.0, False), (361.0, True)])
def test_times_of_training_are_told_and_that_they_differ_by_more_than_a_fifth(results, joint, unequal):
    seconds = results.generation["seconds"] | {"meta_train": 300.0, "joint_gan": joint}
    text = build(results, generation=results.generation | {"seconds": seconds}).text
    spelled = f"{joint // 60:.0f} min {joint % 60:02.0f} s"
    assert "Trained for 5 min 00 s: what adapted starts from." in text
    assert f"For {spelled}: the ordinary GAN that fine-tuned starts from." in text
    caveat = f"Fine-tuned starts from a GAN that was trained for {spelled}, meta-training took 5 min 00 s"
    assert (caveat in text) == unequal


def test_the_best_trained_arm_of_each_row_is_marked(results):
    html = build_html(results)
    fjd = html[html.index("<caption>FJD") :]
    rows = re.findall(r'<th scope="row">(\d+)</th>(.*?)</tr>', fjd[: fjd.index("</table>")])
    marked = {int(step): re.findall(r'class="best">([\d.]+)<', cells) for step, cells in rows}
    assert marked == {0: ["9.60"], 1: ["8.30"], 2: ["5.90"], 5: ["2.71"], 10: ["2.20"], 20: ["1.93"]}


def test_losses_are_told(results):
    text = build(results).text
    assert "fine-tuned 5 of 5 3 of 5 5 of 5 5 of 5" in text
    assert "Adapted is not better than fine-tuned everywhere: Use (2 of 5 steps)." in text
    assert "1 outer update was skipped" in text
    assert "Up to 1.2 % of the scratch samples were not finite" in text

    generation = deepcopy(results.generation) | {"split": "val", "n_classes": 7}
    generation["arms"]["adapted"]["recognisability"][-1] = 0.5
    generation["arms"]["adapted"]["memorisation"][-1] = 0.8
    generation["arms"]["adapted"]["diversity"][-1] = 0.4
    text = build(results, generation=generation).text
    assert "val classes, on which the checkpoint was chosen" in text
    assert "peaks after 10 steps at 0.756 and is 0.500 after 20 steps" in text
    assert "Memorisation of adapted is 0.80 after 20 steps: samples lie closer" in text
    assert "Diversity of adapted is 0.40 after 20 steps: samples of a class vary less" in text
    assert "100 tasks from only 7 classes" in text
    assert "100 val tasks pooled" in text and "never on the classes above" not in text


def test_steps_that_change_nothing_are_a_caveat(results):
    """The FJD moves by less than a tenth, and the two-sample accuracy by less than what chance gives."""
    assert "The steps change little" not in build(results).text
    generation = deepcopy(results.generation)
    generation["two_sample_null"] = [0.47, 0.53]
    adapted = generation["arms"]["adapted"]
    adapted["fjd"] = [0.139, 0.133, 0.133, 0.136, 0.137, 0.137]
    for last, changed in ((0.81, False), (0.79, True)):
        adapted["two_sample"] = [0.86, 0.82, 0.78, 0.75, 0.73, last]
        said = "The steps change little: an FJD of 0.139 before the first and of 0.137 after 20 steps."
        assert (said not in build(results, generation=generation).text) == changed


def test_hostile_words_are_shown_not_obeyed(results):
    generation = results.generation | {"source": HOSTILE, "split": HOSTILE}
    history = results.history.rename(columns={"val/gap_5": f"val/{HOSTILE}_5"})
    html = build_html(
        results,
        generation=generation,
        history=history,
        parameters={HOSTILE: {HOSTILE: HOSTILE}, "seed": 0},
        data_card={HOSTILE: HOSTILE, "table": {HOSTILE: {HOSTILE: HOSTILE}}, "rows": [{HOSTILE: HOSTILE}]},
        embedder_metrics={HOSTILE: {HOSTILE: 1.0}},
        timings={HOSTILE: 1.0},
        title=HOSTILE,
    )
    page = Page(html)
    assert page.unclosed == [] and page.named("script") == []
    assert "<script" not in html
    assert page.text.count('<script>alert("1")</script>') >= 12


def test_the_configuration_is_flat_and_folded(results):
    page = build(results)
    assert len(page.named("details")) == len(results.parameters)
    assert all("open" not in attributes for attributes in page.named("details"))
    assert "meta_train.inner.update_rule" in page.text and "lslr" in page.text
    assert "meta_train.validation_steps" in page.text and "5, 20" in page.text


@pytest.mark.parametrize(
    "history",
    [
        pd.DataFrame(),
        pd.DataFrame({"meta_step": [1, 2]}),
        pd.DataFrame({"seconds": [1.0, 2.0], "train_loss": [None, None], "val/gap_5": [None, None]}),
    ],
)
def test_an_empty_history_is_no_obstacle(results, history):
    assert "No training history was recorded." in build(results, history=history).text


def test_missing_and_unknown_numbers_become_dashes(results):
    generation = deepcopy(results.generation)
    generation["arms"]["adapted"]["fjd"] = [None, float("nan"), 5.9, 2.7, 2.2, 1.9]
    generation["gap_closed"] = [None, None, 0.9, None, 0.9, 0.9]
    del generation["arms"]["scratch"]["kid"], generation["arms"]["copycat"], generation["seconds"]
    page = build(results, generation=generation)
    assert (
        "\N{EN DASH}" in page.text
        and "nan" not in page.text.lower()
        and "copycat" not in page.text.split("Every number")[0]
    )


def test_one_step_and_one_arm_are_enough(results):
    generation = results.generation | {
        "steps": [3],
        "arms": {"adapted": {"fjd": [2.0], "recognisability": [0.5]}, "real": {"fjd": 1.0, "recognisability": 0.9}},
        "gap_closed": [0.8],
    }
    pictures = {name: results.pictures[name] for name in ("support", "real")}
    pictures["adapted"] = results.pictures["adapted"][:, :1]
    page = build(results, generation=generation, pictures=pictures)
    assert "after 3 steps" in page.text and "fine-tuned" not in page.text


def test_wrong_shapes_are_refused(results):
    short = results.generation | {"gap_closed": [0.5]}
    with pytest.raises(ValueError, match=r"generation\.gap_closed has 1 values, expected 6"):
        build_html(results, generation=short)
    with pytest.raises(ValueError, match=r"pictures\.scratch must be uint8 \(16, 6, n, 1, 28, 28\)"):
        build_html(results, pictures=results.pictures | {"scratch": results.pictures["scratch"][:, :4]})


def test_the_same_results_give_the_same_page(results):
    assert build_html(results) == build_html(results)
