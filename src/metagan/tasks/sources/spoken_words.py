"""Number words of some eighty languages, spoken by an engine: no recordings and no word lists are needed."""

from __future__ import annotations

import zlib
from collections import Counter
from functools import partial
from pathlib import Path

import numpy as np

from metagan.domains.sound import Sound, at_rate, audible
from metagan.parameters import Tasks
from metagan.tasks import splits
from metagan.tasks.sources.audio_files import of_recordings
from metagan.tasks.sources.base import ClassRecord, Source
from metagan.tasks.sources.espeak import RATE, Utterance, languages, pronounced, spoken

NOTE = "number words spoken by eSpeak NG, https://github.com/espeak-ng/espeak-ng, GPL 3.0 or later, by espeakng-loader"
NUMBERS = (*range(21), *range(30, 101, 10), 1000)
FEWEST_SOUNDS, MOST_SOUNDS = 3, 10
"""Letters of the phonetic alphabet: shorter words are alike, longer ones last longer than a spectrogram."""
VAL_SHARE, TEST_SHARE = 0.1, 0.2
VOICES = (
    *("f1", "f2", "f3", "f4", "f5", "m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8"),
    *("Alex", "Alicia", "Andrea", "Andy", "Annie", "Denis", "Diogo", "Gene", "Hugo", "Lee", "Marco", "Mario"),
    *("Michael", "Mike", "anika", "belinda", "david", "ed", "linda", "pablo", "paul", "quincy", "rob", "steph"),
)
PITCHES, SPEEDS, NOISES = (35, 66), (160, 210), (40.0, 55.0)
"""From the first to below the second: of the engine, words a minute, decibels below the mean level of the word."""


def spoken_words(tasks: Tasks, seed: int, raw_folder: Path) -> Source:
    """A class is a number word of a language, a sample one voice at one pitch and speed, with a little noise.

    Whole families of languages, as the engine files them, go to test and to val. A word that sounds like one of
    another language is left out. Raises UserError without the engine.
    """
    settings = tasks.spoken_words
    words = _words(settings.words_per_language)
    sizes = Counter(family for _, _, family in words)
    test, val = (round(share * len(words)) for share in (TEST_SHARE, VAL_SHARE))
    split_of = splits.by_group(sizes, {"train": 0, "val": val, "test": test}, seed)
    classes = tuple(
        ClassRecord(f"{code}/{number}", family, split_of[family], settings.samples_per_class)
        for number, code, family in words
    )
    recordings = tuple(partial(_recorded, number, code, settings.samples_per_class, seed) for number, code, _ in words)
    return of_recordings("spoken_words", NOTE, classes, recordings, tasks.image_size)


def _words(most: int) -> list[tuple[str, str, str]]:
    """Up to so many of each language: number, code, family; no two sound the same."""
    texts = [str(number) for number in NUMBERS]
    heard, words = set(), []
    for code, family in languages():
        own = 0
        for text, said in zip(texts, pronounced(texts, code), strict=True):
            sound = "".join(letter for letter in said if letter.isalpha() and letter not in "ˈˌː")
            one_word = " " not in said and "(" not in said  # where the engine falls back on English, it says so
            if own < most and one_word and FEWEST_SOUNDS <= len(sound) <= MOST_SOUNDS and sound not in heard:
                heard.add(sound)
                words.append((text, code, family))
                own += 1
    return words


def _recorded(number: str, code: str, n: int, seed: int) -> list[Sound]:
    """n samples of a word by as many voices as there are."""
    generator = np.random.default_rng((seed, zlib.crc32(f"{code}/{number}".encode())))
    voices = [VOICES[place % len(VOICES)] for place in generator.permutation(max(n, len(VOICES)))[:n]]
    utterances = [
        Utterance(number, code, voice, int(generator.integers(*PITCHES)), int(generator.integers(*SPEEDS)))
        for voice in voices
    ]
    heard = [audible(at_rate(sound, RATE)) for sound in spoken(utterances)]
    return [_noisy(sound, generator) for sound in heard]


def _noisy(sound: Sound, generator: np.random.Generator) -> Sound:
    noise = generator.normal(size=len(sound)) * sound.std() * 10 ** (-generator.uniform(*NOISES) / 20)
    return (sound + noise).astype(np.float32)
