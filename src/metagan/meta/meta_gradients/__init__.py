"""Meta-gradients: how the outer update is estimated from one task. A new one is a new file and a line here."""

from metagan.meta.meta_gradients.base import MetaGradient
from metagan.meta.meta_gradients.fomaml import fomaml
from metagan.meta.meta_gradients.maml import maml
from metagan.meta.meta_gradients.reptile import reptile

META_GRADIENTS: dict[str, MetaGradient] = {"maml": maml, "fomaml": fomaml, "reptile": reptile}

__all__ = ["META_GRADIENTS", "MetaGradient"]
