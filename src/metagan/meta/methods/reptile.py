"""Reptile (Nichol et al. 2018, algorithm 2): theta + eps mean(theta_i^k - theta), the query set is not used."""

from __future__ import annotations

from metagan.meta.methods.maml import maml

reptile = maml._replace(label="Reptile", meta_gradient="reptile")
