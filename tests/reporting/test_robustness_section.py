from __future__ import annotations

import base64
import io
import re
from copy import deepcopy
from html import unescape
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from metagan.domains import stored_example
from metagan.reporting.accuracies import epsilon
from metagan.reporting.attacked_pictures import Attacked
from metagan.reporting.report import build_report
from metagan.reporting.robustness_section import comparison_page, robustness_section

LINF, L2 = (0.0, 8 / 255, 0.1, 0.3), (0.5, 2.0)
HOSTILE = '<script>alert("1")</script>&\'"'


def rows(attack: str, norm: str, epsilons, means, support: str = "clean") -> list[dict]:
    return [
        {"attack": attack, "norm": norm, "eps": eps, "mean": mean, "ci95": 0.01, "support": support}
        for eps, mean in zip(epsilons, means, strict=True)
    ]


def model(adversary: str, natural: float, pgd, fgsm, poisoned: float, **changes) -> dict:
    return {
        "method": "prototypical",
        "adversary": adversary,
        "n_way": 5,
        "k_shot": 1,
        "transductive": False,
        "episodes": 1000,
        "natural": {"mean": natural, "ci95": 0.004},
        "robust": [
            *rows("pgd", "linf", LINF, pgd),
            *rows("pgd", "l2", L2, (pgd[1], pgd[3])),
            *rows("fgsm", "linf", LINF, fgsm),
            *rows("fgsm", "l2", L2, (fgsm[1], fgsm[3])),
            *rows("pgd", "linf", (0.0, 0.1), (natural - 0.05, poisoned), "poisoned"),
        ],
        "masking_checks": {
            "chance_at_epsilon_1": {"passed": True, "detail": "PGD-20 leaves 0.0%, chance is 20.0%"},
            "pgd_beats_noise": {"passed": True, "detail": "PGD-20 leaves 31.0%, noise leaves 93.0%"},
        },
        "seconds": {"meta_train": 125.0},
    } | changes


def make_robustness() -> dict:
    natural = model("none", 0.979, (0.979, 0.71, 0.12, 0.01), (0.979, 0.8, 0.3, 0.02), 0.07)
    robust = model("query", 0.962, (0.962, 0.951, 0.831, 0.31), (0.962, 0.955, 0.872, 0.45), 0.72)
    return {"models": [natural, robust]}


def make_pictures(n_models: int = 2, n: int = 3, channels: int = 1) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(0)
    clean = generator.integers(0, 256, (n_models, n, channels, 28, 28), dtype=np.uint8)
    label = np.tile(np.arange(n), (n_models, 1))
    fooled = label.copy()
    fooled[0] = (fooled[0] + 1) % n
    return {
        "clean": clean,
        "attacked": 255 - clean,
        "label": label,
        "clean_prediction": label,
        "attacked_prediction": fooled,
        "eps": np.full(n_models, 0.1),
    }


def attacked(pictures: dict[str, np.ndarray], channels: int = 1) -> Attacked:
    return Attacked(pictures, stored_example("image", (channels, 28, 28), on_paper=True))


def build(results, **changes) -> str:
    arguments = {name: getattr(results, name) for name in results.__dataclass_fields__}
    one_class = {name: images[:1] for name, images in results.pictures.items()}
    return build_report(**arguments | {"pictures": one_class} | changes)


def section(html: str) -> str:
    return html[html.index('<h2 id="robustness">') : html.index('<h2 id="training">')]


def text(html: str) -> str:
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]*>", "", html)))


def test_the_section_is_left_out_without_results(results):
    assert "robustness" not in build(results)
    assert 'href="#robustness"' in build(results, robustness=make_robustness())


def test_the_summary_names_the_best_robust_classifier_and_its_twin():
    assert text(robustness_section(make_robustness()).summary) == (
        "Under the strongest attack measured at L∞ ε = 0.1, prototypical with attacked query (inductive) "
        "recognises 83.1 ± 1.0 % of the query images in 5-way 1-shot episodes of unseen classes "
        "(96.2 ± 0.4 % without an attack); its natural twin (inductive) recognises 12.0 ± 1.0 % "
        "(97.9 ± 0.4 % without an attack)."
    )


def test_the_summary_takes_the_strongest_attack_and_the_best_classifier():
    robustness = make_robustness()
    better = deepcopy(robustness["models"][1]) | {"method": "maml", "adversary": "both", "transductive": True}
    for row in better["robust"]:
        row["mean"] += 0.02 if row["attack"] == "pgd" else -0.03
    robustness["models"].append(better)
    summary = text(robustness_section(robustness).summary)
    assert (
        "MAML with attacked support and query (transductive) recognises 84.2 ± 1.0 %" in summary
    )  # FGSM, now below PGD
    assert "twin" not in summary


def test_a_failed_check_is_told_in_the_summary_and_in_its_line(results):
    robustness = make_robustness()
    robustness["models"][1]["masking_checks"]["pgd_beats_noise"]["passed"] = False
    html = section(build(results, robustness=robustness))
    assert "but 1 of its 2 checks against gradient masking failed" in text(html)
    assert "3 of 4 checks passed" in text(html)
    line = "PGD beats noise PGD-20 leaves 31.0%, noise leaves 93.0%"
    natural, robust = text(html[html.index("Gradient masking") :]).split("prototypical with attacked query")[:2]
    assert f"✓ pass {line}" in re.sub(r"(pass|fail|noise)(?=PGD)", r"\1 ", natural)
    assert f"✗ fail {line}" in re.sub(r"(pass|fail|noise)(?=PGD)", r"\1 ", robust)


def test_without_attacks_only_clean_accuracy_is_left(results):
    robustness = make_robustness()
    for entry in robustness["models"]:
        entry |= {"robust": [], "masking_checks": {}}
    html = section(build(results, robustness=robustness))
    assert 'class="summary"' not in html and 'class="charts"' not in html
    assert "97.9 ± 0.4" in text(html)
    assert "Nothing was attacked" in text(html) and "PGD" not in text(html) and "under attack" not in text(html)


def test_only_poisoned_rows_make_a_table_and_no_chart(results):
    robustness = make_robustness()
    for entry in robustness["models"]:
        entry["robust"] = [row for row in entry["robust"] if row["support"] == "poisoned"]
    html = section(build(results, robustness=robustness))
    assert 'class="charts"' not in html and "72.0 ± 1.0" in text(html)


def test_every_number_stands_in_its_row_and_column():
    (setting,) = robustness_section(make_robustness()).settings
    assert setting.columns == (("L∞", ("8/255", "0.1", "0.3")), ("L₂", ("0.5", "2")))
    robust = setting.results[1]
    table = {row.attack: [cell and cell["mean"] for cell, _ in row.cells] for row in robust.rows}
    assert table == {
        "PGD": [0.962, 0.951, 0.831, 0.31, 0.951, 0.31],
        "FGSM": [None, 0.955, 0.872, 0.45, 0.955, 0.45],
        "PGD, poisoned support": [pytest.approx(0.912), None, 0.72, None, None, None],
    }
    assert robust.remark == "1,000 episodes, trained in 2 min 05 s"


def test_the_best_is_marked_with_all_whose_interval_reaches_it():
    def marked(robustness: dict) -> list[list[bool]]:
        (setting,) = robustness_section(robustness).settings
        return [[is_best for _, is_best in result.rows[0].cells[:2]] for result in setting.results]

    robustness = make_robustness()
    assert marked(robustness) == [[True, False], [False, True]]
    robustness["models"][1]["natural"]["ci95"] = 0.014  # 96.2 + 1.4 reaches 97.9 - 0.4
    assert marked(robustness) == [[True, False], [True, True]]
    assert marked({"models": robustness["models"][:1]}) == [[False, False]]


def test_inductive_or_transductive_stands_beside_every_classifier(results):
    robustness = make_robustness()
    robustness["models"][0]["transductive"] = True
    words = text(section(build(results, robustness=robustness, robustness_pictures=make_pictures())))
    for label, word in (
        ("natural prototypical", "transductive"),
        ("prototypical with attacked query", "inductive"),
    ):
        places = [found.end() for found in re.finditer(label, words)]
        assert len(places) >= 4  # legend, table, checks, pictures
        assert {re.match(r" ?\(?(\w+)", words[place:])[1] for place in places} == {word}


def test_curves_start_at_the_clean_accuracy_and_carry_their_intervals():
    (setting,) = robustness_section(make_robustness()).settings
    assert [norm for norm, *_ in setting.charts] == ["L∞", "L₂"]
    svg = ElementTree.fromstring(setting.charts[0][2])
    assert len(list(svg.iter("path"))) == 4 and len(list(svg.iter("polygon"))) == 4
    assert sorted(path.get("stroke-dasharray", "solid") for path in svg.iter("path")) == [
        "6 4",
        "6 4",
        "solid",
        "solid",
    ]
    tips = [title.text for title in svg.iter("title")]
    for name in ("natural prototypical (inductive), PGD: 97.9", "natural prototypical (inductive), FGSM: 97.9"):
        assert tips.count(name) == 1
    assert [tip for tip in tips if "query (inductive), PGD" in tip] == [
        f"prototypical with attacked query (inductive), PGD: {value}" for value in ("96.2", "95.1", "83.1", "31")
    ]
    assert "chance" in [label.text for label in svg.iter("text")]

    narrow = make_robustness()
    wide = deepcopy(narrow)
    for row in wide["models"][0]["robust"]:
        row["ci95"] *= 3
    bands = [
        ElementTree.fromstring(robustness_section(robustness).settings[0].charts[0][2]).findall("polygon")[-1]
        for robustness in (narrow, wide)
    ]
    thickness = []
    for band in bands:
        heights = [float(corner.split(",")[1]) for corner in band.get("points").split()]
        thickness.append(heights[-3] - heights[2])  # at epsilon 0.1: there and back
    assert thickness[1] == pytest.approx(3 * thickness[0], abs=0.3) and thickness[0] > 1


def test_a_classifier_looks_the_same_in_every_setting():
    robustness = make_robustness()
    robustness["models"] += [entry | {"n_way": 20, "k_shot": 5} for entry in reversed(robustness["models"])]
    shown = robustness_section(robustness)
    assert [setting.title for setting in shown.settings] == ["5-way 1-shot", "20-way 5-shot"]
    assert [setting.chance for setting in shown.settings] == ["20", "5"]
    first, second = ([result.classifier for result in setting.results] for setting in shown.settings)
    assert first == second[::-1] == list(shown.classifiers)
    assert len({(classifier.colour, classifier.marker) for classifier in first}) == 2


def test_up_to_21_classifiers_can_be_told_apart():
    one = make_robustness()["models"][0]
    shown = robustness_section({"models": [one | {"method": f"method {index}"} for index in range(21)]})
    assert len({(classifier.colour, classifier.marker) for classifier in shown.classifiers}) == 21


def test_pictures_hold_what_was_shown_with_both_predictions(results):
    pictures = make_pictures()
    html = section(build(results, robustness=make_robustness(), robustness_pictures=pictures))
    sources = {unescape(alt): source for source, alt in re.findall(r'<img src="([^"]*)" alt="([^"]*)"', html)}
    assert len(sources) == 2 * 2 * 3
    fooled = "natural prototypical (inductive): attacked image of label 1, predicted 2, wrong"
    kept = "prototypical with attacked query (inductive): clean image of label 1, predicted 1, right"
    for alt, image in ((fooled, pictures["attacked"][0, 1, 0]), (kept, pictures["clean"][1, 1, 0])):
        png = base64.b64decode(sources[alt].removeprefix("data:image/png;base64,"))
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(png))), 255 - image)
    assert text(html).count("✗ attacked") == 3 and text(html).count("✓ attacked") == 3
    assert text(html).count("✓ clean") == 6 and "ε = 0.1" in text(html)


def test_colour_pictures_stay_in_colour():
    pictures = make_pictures(channels=3)
    source = robustness_section(make_robustness(), attacked(pictures, 3)).settings[0].results[0].pictures[2].clean
    shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(source.partition(",")[2]))))
    assert np.array_equal(shown, pictures["clean"][0, 2].transpose(1, 2, 0))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"clean": np.zeros((1, 3, 1, 28, 28), np.uint8)}, r"clean must be uint8 \(2, P, 1, 28, 28\)"),
        ({"clean": np.zeros((2, 3, 1, 28, 28))}, r"clean must be uint8 .* got float64"),
        ({"attacked": np.zeros((2, 2, 1, 28, 28), np.uint8)}, r"attacked must be uint8 \(2, 3, 1, 28, 28\)"),
        ({"attacked": np.zeros((2, 3, 1, 28, 28))}, r"attacked must be uint8 .* got float64"),
        ({"label": np.zeros((2, 4), int)}, r"label must be \(2, 3\), got int64 \(2, 4\)"),
        ({"eps": np.array(0.1)}, r"eps must be \(2,\), got float64 \(\)"),
    ],
)
def test_pictures_of_other_shapes_are_refused(change, message):
    with pytest.raises(ValueError, match=f"robustness_pictures.{message}"):
        robustness_section(make_robustness(), attacked(make_pictures() | change))


def test_what_is_missing_is_named():
    pictures = make_pictures()
    del pictures["eps"], pictures["label"]
    with pytest.raises(ValueError, match="robustness_pictures lacks label, eps"):
        robustness_section(make_robustness(), attacked(pictures))
    with pytest.raises(ValueError, match=r"robustness\.models is empty"):
        robustness_section({"models": []})


@pytest.mark.parametrize(
    ("value", "written"),
    [(8 / 255, "8/255"), (16 / 255, "16/255"), (0.1, "0.1"), (0.2, "0.2"), (1.0, "1"), (0.033, "0.033")],
)
def test_epsilon_is_written_as_people_write_it(value, written):
    assert epsilon(value) == written


def test_hostile_words_are_shown_not_obeyed(results):
    robustness = make_robustness()
    checks = {HOSTILE: {"passed": True, "detail": HOSTILE}}
    robustness["models"][0] |= {"method": HOSTILE, "adversary": HOSTILE, "masking_checks": checks}
    html = build(results, robustness=robustness, robustness_pictures=make_pictures())
    assert "<script" not in html and "http" not in section(html)
    assert unescape(html).count(HOSTILE) >= 8


def test_the_joint_gan_is_drawn_beside_the_meta_training(results):
    steps = np.arange(100, 1100, 100)
    history = pd.DataFrame(
        {
            "step": steps,
            "seconds": 0.1 * steps,
            "discriminator_loss": 1 / steps,
            "generator_loss": 1 + 1 / steps,
        }
    )
    html = build(results, joint_history=history)
    assert html.count('class="panel training"') == build(results).count('class="panel training"') + 1
    chart = text(html[html.index("Joint GAN: losses") :])
    assert chart.startswith("Joint GAN: losses discriminatorgenerator ")
    assert "Joint GAN" not in build(results, joint_history=pd.DataFrame())


def test_a_comparison_names_each_method_and_needs_no_network() -> None:
    natural, robust = make_robustness()["models"]
    arms = [natural | {"name": "prototypical none"}, robust | {"name": "prototypical aq"}]
    page = comparison_page([*arms, robust | {"name": "prototypical r_maml"}])
    for name in ("prototypical none", "prototypical aq", "prototypical r_maml"):
        assert f"<strong>{name} (inductive)</strong>" in page
        assert f"{name} (inductive), PGD" in page
    assert page.count("<svg") > 3
    assert not re.search(r"<(script|link|img)|src=|url\(|@import", page)
