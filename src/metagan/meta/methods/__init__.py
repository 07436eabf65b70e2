"""Methods of few-shot classification. A new one is a new file and a line here."""

from metagan.meta.methods.anil import anil
from metagan.meta.methods.base import Method
from metagan.meta.methods.fine_tune import fine_tune
from metagan.meta.methods.fomaml import fomaml
from metagan.meta.methods.maml import maml
from metagan.meta.methods.matching import matching, matching_fce
from metagan.meta.methods.prototypical import prototypical
from metagan.meta.methods.reptile import reptile

METHODS: dict[str, Method] = {
    "maml": maml,
    "fomaml": fomaml,
    "reptile": reptile,
    "anil": anil,
    "prototypical": prototypical,
    "matching": matching,
    "matching_fce": matching_fce,
    "fine_tune": fine_tune,
}

__all__ = ["METHODS", "Method"]
