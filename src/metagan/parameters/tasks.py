"""Which images the tasks are made of."""

from __future__ import annotations

import math
from typing import Annotated, Literal, get_args

from pydantic import Field, model_validator

from metagan.parameters.example import DomainName
from metagan.parameters.folder import Folder, PathText
from metagan.parameters.section import Channels, Count, Fraction, ImageSize, Plural, Section

PictureSource = Literal["glyphs", "digits", "omniglot", "colours", "image_folder"]
SpeechSource = Literal["spoken_words", "spoken_digits", "audio_folder"]
TextSource = Literal["words", "text_folder"]
SourceName = Literal[PictureSource, SpeechSource, TextSource]
"""A new source's name goes here; its file has the same name."""

DOMAINS: dict[SourceName, DomainName] = {
    **dict.fromkeys(get_args(SpeechSource), "speech"),
    **dict.fromkeys(get_args(TextSource), "text"),
}
"""The domains of the sources whose examples are no images."""

DIGITS_SMALLEST_CLASS = 174
OMNIGLOT_SMALLEST_CLASS = 20
COLOURS_PER_CLASS = 24
SPOKEN_DIGITS_PER_CLASS = 50
WORDS_SMALLEST_CLASS = 100
_CLASSES = {"text_folder": "text files"}


class Glyphs(Section):
    minimum_faces: Annotated[int, Field(ge=1, le=12)] = 4
    samples_per_class: Annotated[int, Field(ge=2, le=1000)] = 20


class Omniglot(Section):
    mirror: Annotated[str, PathText] | None = None
    split: Literal["alphabets", "vinyals", "first_characters"] = "alphabets"


class ClassFolders(Section):
    """A folder of class folders, or of class files, and shares of the classes."""

    path: Folder | None = None
    train_fraction: Fraction = 0.7
    val_fraction: Fraction = 0.1


class SpokenDigits(Section):
    mirror: Annotated[str, PathText] | None = None
    split: Literal["digits", "speakers"] = "digits"


class SpokenWords(Section):
    words_per_language: Annotated[int, Field(ge=1, le=30)] = 10
    samples_per_class: Annotated[int, Field(ge=2, le=1000)] = 24


class Tasks(Section):
    """Which images the tasks are made of."""

    source: SourceName = "glyphs"
    image_size: ImageSize = 28
    channels: Channels = 1
    train_classes: Plural | None = None
    workers: Count = 0
    glyphs: Glyphs = Glyphs()
    omniglot: Omniglot = Omniglot()
    image_folder: ClassFolders = ClassFolders()
    spoken_words: SpokenWords = SpokenWords()
    spoken_digits: SpokenDigits = SpokenDigits()
    audio_folder: ClassFolders = ClassFolders()
    text_folder: ClassFolders = ClassFolders()

    @property
    def domain(self) -> DomainName:
        """What an example of the source is."""
        return DOMAINS.get(self.source, "image")

    @property
    def smallest_class(self) -> float:
        """Images of the smallest class; infinite where only reading the source can tell."""
        sizes = {
            "glyphs": self.glyphs.samples_per_class,
            "digits": DIGITS_SMALLEST_CLASS,
            "omniglot": OMNIGLOT_SMALLEST_CLASS,
            "colours": COLOURS_PER_CLASS,
            "spoken_digits": SPOKEN_DIGITS_PER_CLASS,
            "spoken_words": self.spoken_words.samples_per_class,
            "words": WORDS_SMALLEST_CLASS,
        }
        return sizes.get(self.source, math.inf)

    @property
    def class_folders(self) -> ClassFolders | None:
        """The settings of the source, where it is a folder of class folders or files."""
        return self._folders.get(self.source)

    @property
    def _folders(self) -> dict[str, ClassFolders]:
        return {
            "image_folder": self.image_folder,
            "audio_folder": self.audio_folder,
            "text_folder": self.text_folder,
        }

    @model_validator(mode="after")
    def _source_is_complete(self) -> Tasks:
        if self.class_folders and self.class_folders.path is None:
            holds = _CLASSES.get(self.source, "class folders")
            raise ValueError(f"{self.source}.path: must name a folder of {holds} when tasks.source is {self.source}")
        needed = {"image_folder": self.channels, "colours": 3}.get(self.source, 1)
        if self.channels != needed:
            kind = "colour" if needed == 3 else "grey" if self.domain == "image" else self.domain
            raise ValueError(f"channels: must be {needed} for the {kind} source {self.source}")
        for name, shares in self._folders.items():
            if shares.train_fraction + shares.val_fraction >= 1.0:
                raise ValueError(
                    f"{name}.train_fraction: with val_fraction must leave classes for the test split (sum below 1)"
                )
        return self
