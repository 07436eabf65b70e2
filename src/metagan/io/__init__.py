"""Kedro datasets of our own."""

from metagan.io.animation import AnimationDataset
from metagan.io.arrays import ArraysDataset
from metagan.io.atomic import CSVDataset, ImageDataset, JSONDataset, TextDataset
from metagan.io.folder import FolderDataset
from metagan.io.registry import RegistryDataset
from metagan.io.runs import FinishedRunsDataset
from metagan.io.task_bank import TaskBankDataset
from metagan.io.weights import WeightsDataset

__all__ = [
    "AnimationDataset",
    "ArraysDataset",
    "CSVDataset",
    "FinishedRunsDataset",
    "FolderDataset",
    "ImageDataset",
    "JSONDataset",
    "RegistryDataset",
    "TaskBankDataset",
    "TextDataset",
    "WeightsDataset",
]
