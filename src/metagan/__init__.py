"""metagan: learning how to learn adversarially."""

import lazy_loader

__version__ = "0.1.0"
__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "interface": [
            "adapt",
            "load",
            "make_tasks",
            "open_tasks",
            "read_pictures",
            "read_settings",
            "sample",
            "save",
            "show",
            "train",
        ]
    },
)
