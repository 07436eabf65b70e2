"""The schema of every parameter in `conf/`: names, types, ranges and choices, checked before any work starts.

A file for each `conf/base/parameters_*.yml`; `messages` has the words of a refusal.
"""

from metagan.parameters.adapt import Adapt
from metagan.parameters.augment import Augment
from metagan.parameters.bandits import Bandits
from metagan.parameters.certainty import CertaintySettings
from metagan.parameters.classifier import (
    AdversarySettings,
    ClassifierArchitecture,
    ClassifierInner,
    ClassifierNetwork,
    ClassifierSettings,
    Pooling,
)
from metagan.parameters.compare import CompareClassifiers, CompareMetaGradients
from metagan.parameters.compare_rules import (
    CompareRules,
    Elsewhere,
    LearnedRule,
    PpoSettings,
    RandomStart,
    RuleTraining,
)
from metagan.parameters.continual import Continual
from metagan.parameters.control import Control
from metagan.parameters.embedder import EmbedderArchitecture, EmbedderNetwork, EmbedderSettings
from metagan.parameters.evaluate import Evaluate
from metagan.parameters.evaluate_speech import EvaluateSpeech
from metagan.parameters.example import Example, StoredExample
from metagan.parameters.invent import Invent
from metagan.parameters.leaderboard import Leaderboard
from metagan.parameters.meta_train import (
    GanArchitecture,
    InnerLoop,
    JointGan,
    MetaTrain,
    Networks,
    OuterObjective,
    WarmUp,
)
from metagan.parameters.method import WITH_HEAD, MethodName
from metagan.parameters.one_shot import AugmentationProtocol, Contrast, OneShot, Plane
from metagan.parameters.outer_loop import OuterLoopSettings
from metagan.parameters.report import Report
from metagan.parameters.robustness import RobustnessSettings
from metagan.parameters.run import RunSettings, validate
from metagan.parameters.section import Section, merged, valid_section
from metagan.parameters.tasks import ClassFolders, Glyphs, Omniglot, Tasks
from metagan.parameters.text import TextSettings
from metagan.parameters.train_with_rule import TrainWithRule
from metagan.parameters.trainer import Trainer

__all__ = [
    "WITH_HEAD",
    "Adapt",
    "AdversarySettings",
    "Augment",
    "AugmentationProtocol",
    "Bandits",
    "CertaintySettings",
    "ClassFolders",
    "ClassifierArchitecture",
    "ClassifierInner",
    "ClassifierNetwork",
    "ClassifierSettings",
    "CompareClassifiers",
    "CompareMetaGradients",
    "CompareRules",
    "Continual",
    "Contrast",
    "Control",
    "Elsewhere",
    "EmbedderArchitecture",
    "EmbedderNetwork",
    "EmbedderSettings",
    "Evaluate",
    "EvaluateSpeech",
    "Example",
    "GanArchitecture",
    "Glyphs",
    "InnerLoop",
    "Invent",
    "JointGan",
    "Leaderboard",
    "LearnedRule",
    "MetaTrain",
    "MethodName",
    "Networks",
    "Omniglot",
    "OneShot",
    "OuterLoopSettings",
    "OuterObjective",
    "Plane",
    "Pooling",
    "PpoSettings",
    "RandomStart",
    "Report",
    "RobustnessSettings",
    "RuleTraining",
    "RunSettings",
    "Section",
    "StoredExample",
    "Tasks",
    "TextSettings",
    "TrainWithRule",
    "Trainer",
    "WarmUp",
    "merged",
    "valid_section",
    "validate",
]
