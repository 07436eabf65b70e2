from __future__ import annotations

import numpy as np
import pandas as pd

from metagan.reporting.training_charts import skipped_updates, training_charts


def test_a_chart_per_metric_and_a_line_per_step(results):
    charts = training_charts(results.history)
    assert [chart.title for chart in charts] == [
        "Outer loss",
        "Validation: Recognisability",
        "Validation: Gap, adapted to scratch",
    ]
    assert [text for _, text in charts[1].keys] == ["after 5 steps", "after 20 steps"]
    assert "minutes of training" in charts[0].svg


def test_remarks_tell_first_and_last():
    history = pd.DataFrame({"meta_step": [1, 2, 3, 4], "val/fjd_20": [None, 9.0, None, 4.5]})
    (chart,) = training_charts(history)
    assert chart.title == "Validation: FJD"
    assert chart.remark == "after 20 steps: 9.000 at first, 4.500 at last."
    assert "meta-steps" in chart.svg


def test_absent_and_empty_columns_are_left_out():
    history = pd.DataFrame({"train_loss": [np.nan, np.nan], "val/gap_5": [None, None], "val/speed": ["x", 2.0]})
    (chart,) = training_charts(history)
    assert chart.title == "Validation: speed"
    assert training_charts(pd.DataFrame()) == []


def test_skipped_is_a_running_count():
    assert skipped_updates(pd.DataFrame({"skipped": [0, 1, 1, None, 3]})) == 3
    assert skipped_updates(pd.DataFrame({"skipped": [None, None]})) == 0
    assert skipped_updates(pd.DataFrame()) == 0
