"""The task bank as a Kedro dataset."""

from __future__ import annotations

from metagan.io.local import LocalDataset
from metagan.tasks.bank import BankPlan, TaskBank, open_bank


class TaskBankDataset(LocalDataset[BankPlan, TaskBank]):
    """Saving draws a plan into the folder class by class; loading maps the folder into memory."""

    def load(self) -> TaskBank:
        return open_bank(self._filepath)

    def save(self, data: BankPlan) -> None:
        data.write(self._filepath)
