"""The engine eSpeak NG, which speaks words in many languages and voices without a network."""

from __future__ import annotations

import _ctypes
import ctypes
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np

from metagan.domains.sound import Sound
from metagan.errors import UserError

RATE = 22050
SYNCHRONOUS, UTF8, IPA = 2, 1, 2
SPEED, PITCH = 1, 3
BROKEN = ("fo", "kaa", "kl")
"""Languages without their dictionary, and one in which some numbers end the process."""

Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


class Utterance(NamedTuple):
    """A text in a language by a voice, at a pitch from 0 to 99 and a speed in words a minute."""

    text: str
    language: str
    voice: str
    pitch: int
    speed: int


class Language(NamedTuple):
    """A language by its code, and the family that the engine files it under."""

    code: str
    family: str


class _Voice(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("languages", ctypes.c_char_p),
        ("identifier", ctypes.c_char_p),
        ("rest", ctypes.c_char * 24),
    )


def spoken(utterances: Sequence[Utterance]) -> list[Sound]:
    """Each utterance in [-1, 1] at RATE, (n,); the same sequence gives the same bits in any process."""
    pieces: list[Sound] = []

    def take(samples: ctypes._Pointer[ctypes.c_short], count: int, events: object) -> int:
        if samples and count > 0:
            pieces.append(np.ctypeslib.as_array(samples, (count,)).astype(np.float32) / np.float32(2**15))
        return 0

    sounds = []
    callback = Callback(take)  # the engine holds it, but does not keep it alive
    with _engine() as engine:
        engine.espeak_SetSynthCallback(callback)
        for text, language, voice, pitch, speed in utterances:
            _choose(engine, f"{language}+{voice}")
            engine.espeak_SetParameter(PITCH, pitch, 0)
            engine.espeak_SetParameter(SPEED, speed, 0)
            pieces.clear()
            encoded = text.encode() + b"\0"
            engine.espeak_Synth(encoded, ctypes.c_size_t(len(encoded)), 0, 1, 0, UTF8, None, None)
            engine.espeak_Synchronize()
            sounds.append(np.concatenate(pieces))
    return sounds


def languages() -> list[Language]:
    """The languages that the engine speaks, without dialects and without languages that somebody invented."""
    with _engine() as engine:
        engine.espeak_ListVoices.restype = ctypes.POINTER(ctypes.POINTER(_Voice))
        voices = engine.espeak_ListVoices(None)
        found: set[str] = set()
        while voices[len(found)]:
            found.add(voices[len(found)].contents.identifier.decode())
    parts = [identifier.split("/") for identifier in found]
    return sorted(
        Language(part[-1], part[0])
        for part in parts
        if part[0] != "art" and "-" not in part[-1] and part[-1] not in BROKEN
    )


def pronounced(texts: Sequence[str], language: str) -> list[str]:
    """How the engine says each text, in the letters of the phonetic alphabet; empty where it cannot."""
    with _engine() as engine:
        engine.espeak_TextToPhonemes.restype = ctypes.c_char_p
        try:
            _choose(engine, language)
        except UserError:
            return [""] * len(texts)
        said = []
        for text in texts:
            place = ctypes.cast(ctypes.c_char_p(text.encode()), ctypes.c_void_p)
            said.append(engine.espeak_TextToPhonemes(ctypes.pointer(place), UTF8, IPA).decode().strip())
    return said


@contextmanager
def _engine() -> Iterator[ctypes.CDLL]:
    """A library as it is after loading: it keeps a state between utterances, which nothing else resets."""
    try:
        import espeakng_loader
    except ImportError:
        raise UserError("tasks.source: spoken_words needs espeakng-loader: pip install 'metagan[speech]'") from None
    engine = ctypes.CDLL(espeakng_loader.get_library_path())
    try:
        if engine.espeak_Initialize(SYNCHRONOUS, 0, espeakng_loader.get_data_path().encode(), 0) != RATE:
            raise UserError("tasks.source: the speech engine of spoken_words does not start; reinstall espeakng-loader")
        engine.espeak_ng_SetRandSeed(ctypes.c_long(1))
        yield engine
        engine.espeak_Terminate()
    finally:
        _ctypes.dlclose(engine._handle)


def _choose(engine: ctypes.CDLL, voice: str) -> None:
    if engine.espeak_SetVoiceByName(voice.encode()) != 0:
        raise UserError(f"tasks.source: the speech engine has no voice {voice}")
