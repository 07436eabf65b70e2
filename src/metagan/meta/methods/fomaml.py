"""First-order MAML (Finn et al. 2017, section 5.2)."""

from __future__ import annotations

from metagan.meta.methods.maml import maml

fomaml = maml._replace(label="first-order MAML", meta_gradient="fomaml")
