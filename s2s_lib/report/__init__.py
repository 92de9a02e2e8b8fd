"""Figures, tables, players and browsers for the notebooks. Every function returns what a notebook cell shows."""

from s2s_lib.report.augmentation import augmentation_demo, augmentation_figure, variation_figure
from s2s_lib.report.bands import note_bands_figure
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
from s2s_lib.report.compared_pieces import show_won_and_lost
from s2s_lib.report.comparison import (
    comparison_summary,
    comparison_table,
    learning_curves,
    parameters_table,
    pieces_table,
    runs_table,
    scatter_figure,
)
from s2s_lib.report.dataset import dataset_figure, dataset_table, filled_split
from s2s_lib.report.dataset_splits import splits_figure
from s2s_lib.report.errors import mistakes_figure, mistakes_table, show_worst_moments
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
from s2s_lib.report.examples import examples_figure
from s2s_lib.report.explorer import error_explorer
from s2s_lib.report.knobs import turn_knobs
from s2s_lib.report.library import midi_in_use
from s2s_lib.report.live import train_live
from s2s_lib.report.pages import downloads, score_page
from s2s_lib.report.pianos import pianos_in_use
from s2s_lib.report.players import player, resynthesise
from s2s_lib.report.realism import realism, realism_figure, realism_table
from s2s_lib.report.rolls import overlay_roll, piano_roll
from s2s_lib.report.style import Picture, Table
from s2s_lib.report.summary import (
    Summary,
    dataset_summary,
    evaluation_summary,
    training_summary,
    transcription_summary,
)
from s2s_lib.report.threshold_curve import threshold_figure
from s2s_lib.report.training import (
    offsets_outcome,
    thresholds_figure,
    training_figure,
    training_outcome,
    training_table,
)
from s2s_lib.report.transcription import notes_figure, recording_figure, score_table, tempo_figure
from s2s_lib.report.transcription_widgets import score_desk
from s2s_lib.report.widgets import interactive, sample_browser, show_result, show_sample

__all__ = [
    "Picture",
    "Summary",
    "Table",
    "augmentation_demo",
    "augmentation_figure",
    "bands_figure",
    "bands_table",
    "benchmark_pieces",
    "benchmark_sentences",
    "benchmark_table",
    "comparison_summary",
    "comparison_table",
    "confusion_matrix",
    "cost_table",
    "dashboard",
    "dataset_figure",
    "dataset_summary",
    "dataset_table",
    "deviations_table",
    "downloads",
    "error_explorer",
    "evaluation_summary",
    "examples_figure",
    "filled_split",
    "interactive",
    "learning_curves",
    "metrics_over_time",
    "midi_in_use",
    "mistakes_figure",
    "mistakes_table",
    "note_bands_figure",
    "notes_figure",
    "offsets_outcome",
    "onset_table",
    "overlay_roll",
    "parameters_table",
    "peers_table",
    "piano_roll",
    "pianos_in_use",
    "pianos_table",
    "pieces_table",
    "player",
    "realism",
    "realism_figure",
    "realism_table",
    "recording_figure",
    "resynthesise",
    "robustness_figure",
    "runs_table",
    "sample_browser",
    "samples_table",
    "save_plots",
    "scatter_figure",
    "score_desk",
    "score_page",
    "score_table",
    "scores_table",
    "show_plots",
    "show_result",
    "show_sample",
    "show_won_and_lost",
    "show_worst_moments",
    "splits_figure",
    "tempo_figure",
    "threshold_figure",
    "thresholds_figure",
    "train_live",
    "training_figure",
    "training_outcome",
    "training_summary",
    "training_table",
    "transcription_summary",
    "turn_knobs",
    "variation_figure",
]
