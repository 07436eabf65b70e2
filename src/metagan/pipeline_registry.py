"""The pipelines of `kedro run --pipelines <name>`."""

from __future__ import annotations

from kedro.pipeline import Pipeline

from metagan.importing import kept

with kept():
    from metagan.pipelines import (
        adapt,
        adapt_speech,
        adapt_text,
        augment,
        bandits,
        classifier,
        compare_classifiers,
        compare_meta_gradients,
        compare_rules,
        continual,
        control,
        embedder,
        evaluate,
        evaluate_certainty,
        evaluate_invention,
        evaluate_robustness,
        evaluate_speech,
        evaluate_text,
        invent,
        leaderboard,
        meta_train,
        one_shot,
        report,
        tasks,
        train_with_rule,
    )


def register_pipelines() -> dict[str, Pipeline]:
    """The stages by name, all of the main job in order as `__default__`, and what is run by itself."""
    stages = {
        "tasks": tasks.create_pipeline(),
        "embedder": embedder.create_pipeline(),
        "meta_train": meta_train.create_pipeline(),
        "evaluate": evaluate.create_pipeline(),
        "classifier": classifier.create_pipeline(),
        "evaluate_robustness": evaluate_robustness.create_pipeline(),
        "report": report.create_pipeline(),
    }
    return {
        **stages,
        "adapt": adapt.create_pipeline(),
        "adapt_speech": adapt_speech.create_pipeline(),
        "adapt_text": adapt_text.create_pipeline(),
        "augment": augment.create_pipeline(),
        "bandits": bandits.create_pipeline(),
        "compare_classifiers": compare_classifiers.create_pipeline(),
        "compare_meta_gradients": compare_meta_gradients.create_pipeline(),
        "compare_rules": compare_rules.create_pipeline(),
        "continual": continual.create_pipeline(),
        "control": control.create_pipeline(),
        "evaluate_certainty": evaluate_certainty.create_pipeline(),
        "evaluate_speech": evaluate_speech.create_pipeline(),
        "evaluate_invention": evaluate_invention.create_pipeline(),
        "evaluate_text": evaluate_text.create_pipeline(),
        "invent": invent.create_pipeline(),
        "leaderboard": leaderboard.create_pipeline(),
        "one_shot": one_shot.create_pipeline(),
        "train_with_rule": train_with_rule.create_pipeline(),
        "__default__": sum(stages.values(), Pipeline([])),
    }
