"""A piece as MusicXML 4.0 (https://www.w3.org/2021/06/musicxml40/): one piano part on two staves."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable
from xml.etree import ElementTree

from s2s_lib.errors import InputError
from s2s_lib.keys import fifths_of
from s2s_lib.notes import Piece
from s2s_lib.provenance import package_version
from s2s_lib.score.musicxml.accidentals import Spelled, accidentals
from s2s_lib.score.musicxml.beams import add_beams
from s2s_lib.score.musicxml.dynamics import find_dynamics
from s2s_lib.score.musicxml.lengths import QUARTER, TYPES, grid_of, value_of
from s2s_lib.score.musicxml.marks import Mark, find_clefs, find_marks
from s2s_lib.score.musicxml.measures import PARTS, Measure, Part, Symbol, bar_rest, is_short, measures
from s2s_lib.score.musicxml.octaves import find_octaves
from s2s_lib.score.musicxml.rolls import find_rolls
from s2s_lib.score.spelling import spell

Element = ElementTree.Element
DOCTYPE = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE score-partwise PUBLIC "-//Recordare//DTD MusicXML 4.0 '
    'Partwise//EN" "http://www.musicxml.org/dtds/partwise.dtd">\n'
)
VOICES = {("R", 1): "1", ("R", 2): "2", ("L", 1): "5", ("L", 2): "6"}
STAVES = {"R": "1", "L": "2"}
CLEFS = {"treble": ("G", "2"), "bass": ("F", "4")}
STAFF_OF_MARK = {"tempo": "R", "dynamic": "R", "wedge": "R", "8va": "R", "8vb": "L", "pedal": "L"}
SIGNS = {"trill": "trill-mark", "mordent": "mordent", "inverted-mordent": "inverted-mordent"}
SHIFTS = {("8va", "start"): "down", ("8vb", "start"): "up"}  # from what sounds to what is written


def musicxml(piece: Piece, title: str) -> str:
    """The score of a piece as the text of a MusicXML file.

    Raises InputError for a piece without a score.
    """
    if not (piece.notated and piece.time_signature and piece.key):
        raise InputError(f"{title}: holds no score, only what was played; find its score first.")
    bars = measures(piece)
    root = _header(title)
    part = _add(root, "part", id="P1")
    writer = _Writer(piece, bars)
    for i in range(len(bars)):
        part.append(writer.measure(i))
    ElementTree.indent(root, " ")
    return DOCTYPE + ElementTree.tostring(root, encoding="unicode") + "\n"


def _add(parent: Element, tag: str, text: str | int | None = None, **attributes: str) -> Element:
    """A new child; attributes with a hyphen are written with an underscore."""
    child = ElementTree.SubElement(parent, tag, {name.replace("_", "-"): value for name, value in attributes.items()})
    child.text = None if text is None else str(text)
    return child


def _header(title: str) -> Element:
    root = Element("score-partwise", version="4.0")
    _add(_add(root, "work"), "work-title", title)
    encoding = _add(_add(root, "identification"), "encoding")
    _add(encoding, "software", f"Sound2Sheet {package_version('sound2sheet')}")
    for element in ("accidental", "beam"):
        _add(encoding, "supports", element=element, type="yes")
    part = _add(_add(root, "part-list"), "score-part", id="P1")
    _add(part, "part-name", "Piano", print_object="no")
    instrument = _add(part, "score-instrument", id="P1-I1")
    _add(instrument, "instrument-name", "Piano")
    midi = _add(part, "midi-instrument", id="P1-I1")
    _add(midi, "midi-channel", 1)
    _add(midi, "midi-program", 1)
    return root


class _Writer:
    """Writes the bars of one piece."""

    def __init__(self, piece: Piece, bars: list[Measure]):
        self.piece, self.bars, self.grid = piece, bars, grid_of(piece.time_signature)
        self.spelled = _spelled(piece, bars)
        self.fifths = fifths_of(piece.key)
        self.signs = accidentals(bars, self.spelled, self.fifths)
        self.clefs = find_clefs(piece, bars)
        self.rolled = find_rolls(piece, bars)
        self.marks = defaultdict(list)
        lines = [bar.line for bar in bars]
        marks = [*find_marks(piece, bars), *find_dynamics(piece, bars), *find_octaves(piece, bars, self.clefs)]
        for mark in sorted(marks, key=lambda m: (m.place, m.value != "stop")):
            here = bisect_right(lines, mark.place) - 1
            self.marks[lines[here - (mark.value == "stop" and mark.place == lines[here] and here > 0)]].append(mark)
        for bar in bars:
            for symbols in bar.voices.values():
                add_beams(symbols, self.grid)

    def measure(self, at: int) -> Element:
        bar = self.bars[at]
        measure = Element("measure", number=str(bar.number))
        if is_short(self.piece.time_signature, bar):
            measure.set("implicit", "yes")
        self._attributes(measure, at)
        length = bar.last - bar.first
        for n, part in enumerate(_shown(bar)):
            if n:
                _add(_add(measure, "backup"), "duration", length)
            lead = part == next(other for other in _shown(bar) if other[0] == part[0])
            marks = [mark for mark in self.marks[bar.line][::-1] if lead and STAFF_OF_MARK[mark.kind] == part[0]]
            hidden = part[1] == 2 and (part[0], 1) in bar.voices
            for symbol in bar.voices.get(part) or [bar_rest(bar)]:
                while marks and marks[-1].place < bar.line + symbol.end:
                    self._mark(measure, marks.pop(), bar.line + symbol.start)
                self._symbol(measure, symbol, part, bar, hidden)
            for mark in marks[::-1]:
                self._mark(measure, mark, bar.line + bar.last)
        if at == len(self.bars) - 1:
            _add(_add(measure, "barline", location="right"), "bar-style", "light-heavy")
        return measure

    def _mark(self, measure: Element, mark: Mark, here: int) -> None:
        direction = _add(measure, "direction", placement="above" if mark.kind in ("tempo", "8va") else "below")
        kind = _add(direction, "direction-type")
        if mark.kind == "tempo":
            beat = self.grid.beat
            metronome = _add(kind, "metronome", parentheses="no")
            _add(metronome, "beat-unit", value_of(beat).type)
            for _ in range(value_of(beat).dots):
                _add(metronome, "beat-unit-dot")
            _add(metronome, "per-minute", round(mark.value * QUARTER / beat))
        elif mark.kind == "dynamic":
            _add(_add(kind, "dynamics"), mark.value)
        elif mark.kind == "wedge":
            _add(kind, "wedge", type=mark.value)
        elif mark.kind == "pedal":
            _add(kind, "pedal", type=mark.value, line="yes", sign="no")
        else:
            _add(kind, "octave-shift", type=SHIFTS.get((mark.kind, mark.value), "stop"), size="8")
        if mark.place != here:
            _add(direction, "offset", mark.place - here)
        _add(direction, "staff", STAVES[STAFF_OF_MARK[mark.kind]])
        if mark.kind == "tempo":
            _add(direction, "sound", tempo=f"{mark.value:.2f}")

    def _attributes(self, measure: Element, at: int) -> None:
        attributes = Element("attributes")
        if at == 0:
            self._signatures(attributes)
        for hand, staff in STAVES.items():
            name = self.clefs[hand][at]
            if at == 0 or name != self.clefs[hand][at - 1]:
                clef = _add(attributes, "clef", number=staff)
                for tag, text in zip(("sign", "line"), CLEFS[name], strict=True):
                    _add(clef, tag, text)
        if len(attributes):
            measure.append(attributes)

    def _signatures(self, attributes: Element) -> None:
        _add(attributes, "divisions", QUARTER)
        key = _add(attributes, "key")
        _add(key, "fifths", self.fifths)
        _add(key, "mode", "minor" if self.piece.key.endswith("m") else "major")
        time = _add(attributes, "time")
        _add(time, "beats", self.piece.time_signature[0])
        _add(time, "beat-type", self.piece.time_signature[1])
        _add(attributes, "staves", 2)

    def _symbol(self, measure: Element, symbol: Symbol, part: Part, bar: Measure, hidden: bool) -> None:
        self._graces(measure, symbol.graces, part)
        for i, index in enumerate(symbol.notes or (None,)):
            note = _add(measure, "note")
            if index is None and hidden:
                note.set("print-object", "no")
            if i:
                _add(note, "chord")
            if index is None:
                rest = _add(note, "rest")
                if (symbol.start, symbol.end) == (bar.first, bar.last):
                    rest.set("measure", "yes")
            else:
                self._pitch(note, index)
            _add(note, "duration", symbol.end - symbol.start)
            for tied, kind in ((symbol.tied_from, "stop"), (symbol.tied_to, "start")):
                if index in tied:
                    _add(note, "tie", type=kind)
            _add(note, "voice", VOICES[part])
            self._value(note, symbol, index)
            _add(note, "staff", STAVES[part[0]])
            for level, beam in enumerate(symbol.beams if not i else (), 1):
                _add(note, "beam", beam, number=str(level))
            self._notations(note, symbol, index, not i, bar.voices.get(part, ()))

    def _pitch(self, note: Element, index: int) -> None:
        step, alteration, octave = self.spelled[index]
        pitch = _add(note, "pitch")
        _add(pitch, "step", step)
        if alteration:
            _add(pitch, "alter", alteration)
        _add(pitch, "octave", octave)

    def _value(self, note: Element, symbol: Symbol, index: int | None) -> None:
        """Type, dots, accidental and the tuplet's ratio."""
        length = symbol.end - symbol.start
        value = value_of(length, symbol.tuplet is not None)
        if value is None:  # the rest of a whole bar
            return
        _add(note, "type", value.type)
        for _ in range(value.dots):
            _add(note, "dot")
        if index not in symbol.tied_from:
            self._accidental(note, index)
        if symbol.tuplet:
            ratio = _add(note, "time-modification")
            _add(ratio, "actual-notes", 3 * symbol.tuplet.parts)
            _add(ratio, "normal-notes", 2 * symbol.tuplet.parts)
            _add(ratio, "normal-type", TYPES[symbol.tuplet.length // symbol.tuplet.parts // 2])

    def _notations(self, note: Element, symbol: Symbol, index: int | None, lead: bool, voice: Iterable[Symbol]) -> None:
        notations = Element("notations")
        for tied, kind in ((symbol.tied_from, "stop"), (symbol.tied_to, "start")):
            if index in tied:
                _add(notations, "tied", type=kind)
        if symbol.tuplet and lead:
            beamed = all(s.beams for s in voice if s.tuplet == symbol.tuplet)
            if symbol.start == symbol.tuplet.start:
                _add(notations, "tuplet", type="start", bracket="no" if beamed else "yes")
            if symbol.end == symbol.tuplet.end:
                _add(notations, "tuplet", type="stop")
        if index is not None and index not in symbol.tied_from:
            sign = SIGNS.get(self.piece.notated[index].ornament)
            if sign:
                _add(_add(notations, "ornaments"), sign)
            if index in self.rolled:
                _add(notations, "arpeggiate", direction="up")  # without it MuseScore 3 logs an unknown type
        if len(notations):
            note.append(notations)

    def _accidental(self, note: Element, index: int | None) -> None:
        sign = self.signs.get(index)
        if sign:
            _add(
                note,
                "accidental",
                sign.name,
                **({"cautionary": "yes", "parentheses": "yes"} if sign.cautionary else {}),
            )

    def _graces(self, measure: Element, indices: tuple[int, ...], part: Part) -> None:
        """A grace note as a slashed eighth, several as beamed 16ths."""
        for i, index in enumerate(indices):
            note = _add(measure, "note")
            _add(note, "grace", slash="yes" if len(indices) == 1 else "no")
            self._pitch(note, index)
            _add(note, "voice", VOICES[part])
            _add(note, "type", "eighth" if len(indices) == 1 else "16th")
            self._accidental(note, index)
            _add(note, "staff", STAVES[part[0]])
            for level in ("1", "2") if len(indices) > 1 else ():
                beam = "begin" if i == 0 else "end" if i + 1 == len(indices) else "continue"
                _add(note, "beam", beam, number=level)


def _spelled(piece: Piece, bars: list[Measure]) -> dict[int, Spelled]:
    """The spelling of each printed note by its index; they are spelled in the order of the score."""
    order: dict[int, None] = {}
    for bar in bars:
        rows = [(s.start, s) for part in PARTS for s in bar.voices.get(part, ())]
        for _, symbol in sorted(rows, key=lambda row: row[0]):
            order |= dict.fromkeys((*symbol.graces, *symbol.notes))
    return dict(zip(order, spell([piece.performance.notes[i].pitch for i in order], piece.key), strict=True))


def _shown(bar: Measure) -> list[Part]:
    """The voices to write in a bar: those with notes, and one for each silent staff."""
    return [
        part for part in PARTS if part in bar.voices or (part[1] == 1 and (part[0], 2) not in bar.voices)
    ]  # fmt: skip
