"""One recording and its score."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator

from s2s_lib.config.base import Probability, Section, key
from s2s_lib.config.dataset import KeySignature

ScoreFile = Literal["midi", "musicxml", "svg", "pdf", "png", "json", "html"]
SmallestNote = Literal["1/4", "1/8", "1/16", "1/32"]


def _metre(text: str) -> str:
    if not re.fullmatch(r"[1-9]\d?/(1|2|4|8|16|32)", text):
        raise ValueError(f"{text!r} is no metre; write it like '3/4'")
    return text


Metre = Annotated[str, AfterValidator(_metre)]


class TranscriptionConfig(Section):
    """A recording, what is known of its score beforehand, and the files to write; for the notebook 04_transcribe."""

    audio: str | None = key(
        None, "recording to transcribe; null means Bach's prelude BWV 846, played on the embedded piano", min_length=1
    )
    model_path: str | None = key(None, "model folder; null means the weights that come with the package", min_length=1)
    formats: list[ScoreFile] = key(["midi", "musicxml", "pdf"], "files to write into the run's results")
    onset_threshold: Probability | None = key(
        None, "onset probability from which a note is written; null means the model's own, tuned in validation"
    )
    tempo_bpm: float | None = key(
        None, "quarter notes per minute, about which the beats are looked for; null means they are found", ge=10, le=400
    )
    time_signature: Metre | None = key(None, "metre, such as '3/4'; null means it is found")
    key_signature: KeySignature | None = key(None, "key, such as 'Eb' or 'C#m'; null means it is found")
    smallest_note: SmallestNote | None = key(
        None,
        "shortest note value on the page, its triplets included; a faster note joins the one before it in a chord; "
        "null means '1/16', and half of it where notes follow each other faster",
    )
    pedal: bool = key(True, "write the pedal's marks into the score")
    player_seconds: float = key(
        60.0, "most of the recording and of its transcription that the report plays, in seconds", ge=1, le=3600
    )
