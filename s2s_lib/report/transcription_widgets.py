"""A desk for JupyterLab: another recording, another reading of it, and the score follows."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from IPython.display import display

from s2s_lib.config import MAJOR_KEYS, MINOR_KEYS, Config, TranscriptionConfig
from s2s_lib.errors import InputError
from s2s_lib.report.pages import downloads, score_page
from s2s_lib.report.transcription import key_name, notes_figure, recording_figure, score_table, tempo_figure
from s2s_lib.report.widgets import grid
from s2s_lib.transcription import write_files
from s2s_lib.transcription.listening import Heard, hear
from s2s_lib.wording import counted

if TYPE_CHECKING:
    from s2s_lib.transcription import Transcription

METRES = ("2/4", "3/4", "4/4", "2/2", "3/8", "6/8", "9/8", "12/8")
SMALLEST = ("1/4", "1/8", "1/16", "1/32")
FOUND = "as found"
AUDIO = "audio/*,.flac,.m4a"


class Desk:
    """Widgets over the figures of one recording at a time.

    `heard` and `transcription` are those on show. A change decodes and notates anew what was heard; only a new
    recording is listened to.
    """

    def __init__(self, heard: Heard, config: Config):
        import ipywidgets

        self._config, self._first = config, heard
        self.heard = heard
        self.transcription: Transcription | None = None
        settings = config.transcription
        self.upload = ipywidgets.FileUpload(accept=AUDIO, description="another recording", layout={"width": "auto"})
        onset = heard.probabilities.thresholds.onset if settings.onset_threshold is None else settings.onset_threshold
        self.threshold = ipywidgets.FloatSlider(
            onset, min=0.02, max=0.98, step=0.01, description="onset threshold", continuous_update=False
        )
        self.tempo = ipywidgets.BoundedFloatText(
            settings.tempo_bpm or 0, min=0, max=400, description="tempo (0: as found)"
        )
        metres = dict.fromkeys(filter(None, (*METRES, settings.time_signature)))
        self.metre = _menu("metre", {name: name for name in metres}, settings.time_signature)
        keys = {key_name(name): name for name in (*MAJOR_KEYS, *MINOR_KEYS)}
        self.key = _menu("key", keys, settings.key_signature)
        self.smallest = _menu("smallest note", {name: name for name in SMALLEST}, settings.smallest_note)
        self.pedal = ipywidgets.Checkbox(settings.pedal, description="write the pedal")
        self.save = ipywidgets.Button(description="write the files")
        self.status, self.output, self.files = ipywidgets.Label(), ipywidgets.Output(), ipywidgets.Output()
        self._listen_to_widgets()

    def _listen_to_widgets(self) -> None:
        self.upload.observe(self._uploaded, names="value")
        for widget in (self.threshold, self.tempo, self.metre, self.key, self.smallest, self.pedal):
            widget.observe(self._changed, names="value")
        self.save.on_click(self._write)

    def show(self) -> None:
        """Displays the desk."""
        import ipywidgets

        wishes = [self.metre, self.key, self.tempo, self.smallest, self.threshold, self.pedal]
        first = ipywidgets.HBox([self.upload, self.save, self.status])
        display(ipywidgets.VBox([first, grid(wishes), self.files, self.output]))
        self.draw()

    def settings(self) -> TranscriptionConfig:
        """What the widgets ask for."""
        chosen = {
            "onset_threshold": self.threshold.value,
            "tempo_bpm": self.tempo.value or None,
            "time_signature": self.metre.value or None,
            "key_signature": self.key.value or None,
            "smallest_note": self.smallest.value or None,
            "pedal": self.pedal.value,
        }
        return Config.resolve({"transcription": self._config.transcription.model_dump() | chosen}).transcription

    def draw(self) -> None:
        """Writes the score anew and shows it, or the sentence that says why there is none."""
        self.status.value = "writing the score …"
        with self.output:
            self._show_score()
        self.save.disabled = self.transcription is None

    def _show_score(self) -> None:
        try:
            settings = self.settings()
            self.transcription = found = self.heard.transcription(settings)
            shown = [score_table(found), score_page(self.heard, found, settings.player_seconds)]
            shown += [notes_figure(found), tempo_figure(found)]
            shown += [recording_figure(self.heard)] if self.heard is not self._first else []
        except InputError as error:
            self.transcription, shown = None, []
            self.status.value = str(error)
        else:
            self.status.value = counted(len(found.notes), "note")
        self.output.clear_output(wait=bool(shown))  # else it waits for something to show
        display(*shown)

    def _changed(self, _: Any) -> None:
        self.draw()

    def _uploaded(self, _: Any) -> None:
        for file in self.upload.value:
            name = Path(file["name"]).name
            self.status.value = f"listening to {name} …"
            with tempfile.TemporaryDirectory(prefix="s2s-") as scratch:
                path = Path(scratch) / name
                path.write_bytes(file["content"])
                try:
                    self.heard = hear(self._config, path)
                except InputError as error:
                    self.status.value = str(error).replace(f"{scratch}/", "")
                    return
            self.draw()

    def _write(self, _: Any) -> None:
        if self.transcription is not None:
            files = write_files(self.transcription, self.settings().formats, self._config.output.results)
            with self.files:
                self.files.clear_output(wait=True)
                display(downloads(files))


def _menu(description: str, options: dict[str, str], value: str | None) -> Any:
    """A menu whose first entry leaves the choice to the program."""
    import ipywidgets

    entries = [(FOUND, ""), *options.items()]  # None would leave the menu blank
    return ipywidgets.Dropdown(options=entries, value=value or "", description=description)


def score_desk(heard: Heard, config: Config) -> Desk:
    """Shows the desk, for JupyterLab."""
    desk = Desk(heard, config)
    desk.show()
    return desk
