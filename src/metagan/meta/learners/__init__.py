"""Learners: what is adapted in the inner loop, and what judges it in the outer one."""

from metagan.meta.learners.base import Learner, TaskTensors
from metagan.meta.learners.gan import GanLearner

__all__ = ["GanLearner", "Learner", "TaskTensors"]
