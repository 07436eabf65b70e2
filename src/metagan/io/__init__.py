"""Kedro datasets of our own, each imported when it is first asked for: some take seconds."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "animation": ["AnimationDataset"],
        "arrays": ["ArraysDataset"],
        "atomic": ["CSVDataset", "ImageDataset", "JSONDataset", "TextDataset"],
        "folder": ["FolderDataset"],
        "metrics": ["MlflowMetricsDataset"],
        "recording": ["RecordingDataset"],
        "registry": ["RegistryDataset"],
        "runs": ["FinishedRunsDataset"],
        "task_bank": ["TaskBankDataset"],
        "weights": ["WeightsDataset"],
    },
)
