"""Figures, tables, players and browsers for the notebooks. Every function returns what a notebook cell shows."""

from s2s_lib.report.augmentation import augmentation_demo, augmentation_figure, variation_figure
from s2s_lib.report.benchmark import (
    bands_figure,
    bands_table,
    benchmark_pieces,
    benchmark_sentences,
    benchmark_table,
    cost_table,
    onset_table,
    peers_table,
    robustness_figure,
)
from s2s_lib.report.dataset import dataset_figure, dataset_table, filled_split
from s2s_lib.report.evaluation import (
    confusion_matrix,
    dashboard,
    deviations_table,
    metrics_over_time,
    pianos_table,
    samples_table,
    save_plots,
    scores_table,
    show_plots,
)
from s2s_lib.report.library import midi_in_use
from s2s_lib.report.pages import downloads, score_page
from s2s_lib.report.pianos import pianos_in_use
from s2s_lib.report.players import player, resynthesise
from s2s_lib.report.realism import realism, realism_figure, realism_table
from s2s_lib.report.rolls import overlay_roll, piano_roll
from s2s_lib.report.style import Picture, Table
from s2s_lib.report.training import thresholds_figure, training_figure, training_table
from s2s_lib.report.transcription import notes_figure, recording_figure, score_table, tempo_figure
from s2s_lib.report.transcription_widgets import score_desk
from s2s_lib.report.widgets import interactive, result_browser, sample_browser, show_result, show_sample

__all__ = [
    "Picture",
    "Table",
    "augmentation_demo",
    "augmentation_figure",
    "bands_figure",
    "bands_table",
    "benchmark_pieces",
    "benchmark_sentences",
    "benchmark_table",
    "confusion_matrix",
    "cost_table",
    "dashboard",
    "dataset_figure",
    "dataset_table",
    "deviations_table",
    "downloads",
    "filled_split",
    "interactive",
    "metrics_over_time",
    "midi_in_use",
    "notes_figure",
    "onset_table",
    "overlay_roll",
    "peers_table",
    "piano_roll",
    "pianos_in_use",
    "pianos_table",
    "player",
    "realism",
    "realism_figure",
    "realism_table",
    "recording_figure",
    "result_browser",
    "resynthesise",
    "robustness_figure",
    "sample_browser",
    "samples_table",
    "save_plots",
    "score_desk",
    "score_page",
    "score_table",
    "scores_table",
    "show_plots",
    "show_result",
    "show_sample",
    "tempo_figure",
    "thresholds_figure",
    "training_figure",
    "training_table",
    "variation_figure",
]
