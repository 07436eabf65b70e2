"""metagan: learning how to learn adversarially."""

__version__ = "0.1.0"
