"""Almost no inner loop: MAML that adapts the head alone (Raghu et al. 2020, section 4)."""

from __future__ import annotations

from metagan.meta.methods.maml import maml

anil = maml._replace(label="ANIL", adapts=r"^head\.")
