"""Learning from training pieces, once the model is trained, when keys are let go."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from s2s_lib import metrics
from s2s_lib.config import Config, EvaluationConfig
from s2s_lib.data import Passage, training_pieces, validation_pieces
from s2s_lib.notes import as_arrays
from s2s_lib.offsets import CLASSES, FEATURES, OffsetForest, Trace, classes, surroundings
from s2s_lib.progress import Progress
from s2s_lib.transcribe import Transcriber
from s2s_lib.tuning import MOST_PIECES, f1
from s2s_lib.weights import OFFSETS

TREES, SMALLEST_LEAF, FEATURE_SHARE = 40, 40, 0.3  # notes in a leaf; features that a split may choose from
FEWEST_NOTES = 400  # below this a forest has little to say


@dataclass(frozen=True)
class OffsetLearning:
    """What came of it: F1 of onset and offset (key release) on so many validation pieces by threshold and by forest.

    `notes`: how many were learnt from; `kept`: whether the forest stays with the model, having been better.
    """

    pieces: int
    notes: int
    by_threshold: float
    by_forest: float

    @property
    def kept(self) -> bool:
        return self.by_forest > self.by_threshold


def learn_offsets(config: Config) -> OffsetLearning:
    """Fits a forest to `training.offset_pieces` of the run's pieces as its model hears them, with its own thresholds.

    The forest is kept in the model's folder if the validation split is transcribed better with it; the test split has
    no part in it. The same run gives the same forest.
    """
    folder = config.output.model
    (folder / OFFSETS).unlink(missing_ok=True)  # of an earlier training
    transcriber = Transcriber.load(folder, config.model.device)
    pieces = training_pieces(config, config.training.offset_pieces, transcriber.sample_rate)
    examples = []
    with Progress(len(pieces), "learning offsets", "piece") as progress:
        for piece in pieces:
            examples.append(_examples(transcriber, piece(), config.evaluation))
            progress.advance(1)
    notes = sum(len(durations) for _, durations in examples)
    if notes < FEWEST_NOTES:
        return OffsetLearning(0, notes, 0.0, 0.0)
    features, durations = (np.concatenate(column) for column in zip(*examples, strict=True))
    forest = grow(features, durations, config.training.seed)
    learnt = _compare(config, transcriber, forest, notes)
    if learnt.kept:
        forest.save(folder)
    return learnt


def grow(features: np.ndarray, durations_s: np.ndarray, seed: int) -> OffsetForest:
    """A forest for features (notes, features) and key-down times (notes,) that belong to them."""
    from sklearn.ensemble import RandomForestClassifier

    forest = RandomForestClassifier(
        TREES, min_samples_leaf=SMALLEST_LEAF, max_features=FEATURE_SHARE, random_state=seed, n_jobs=-1
    ).fit(features, classes(durations_s))
    parts: dict[str, list[np.ndarray]] = {"feature": [], "threshold": [], "children": [], "leaves": []}
    roots, nodes, leaves = [], 0, 0
    for tree in (grown.tree_ for grown in forest.estimators_):
        leaf = tree.children_left < 0
        number = np.where(leaf, ~(leaves + np.cumsum(leaf) - 1), nodes + np.cumsum(~leaf) - 1)  # of each of its nodes
        roots.append(number[0])
        shares = np.zeros((leaf.sum(), CLASSES))
        shares[:, forest.classes_] = tree.value[leaf, 0] / tree.value[leaf, 0].sum(1, keepdims=True)
        parts["feature"].append(tree.feature[~leaf])
        parts["threshold"].append(tree.threshold[~leaf])
        parts["children"].append(number[np.column_stack([tree.children_left, tree.children_right])[~leaf]])
        parts["leaves"].append(shares)
        nodes, leaves = nodes + int((~leaf).sum()), leaves + int(leaf.sum())
    kinds = {"feature": np.int32, "threshold": np.float32, "children": np.int32, "leaves": np.float16}
    joined = {name: np.concatenate(arrays).astype(kinds[name]) for name, arrays in parts.items()}
    return OffsetForest(roots=np.array(roots, np.int32), **joined)


def _examples(
    transcriber: Transcriber, passage: Passage, evaluation: EvaluationConfig
) -> tuple[np.ndarray, np.ndarray]:
    """What is known of each note heard rightly, (notes, features), and how long its key was down, s, (notes,)."""
    known = transcriber.hear(passage.audio, passage.sample_rate, evaluation)
    heard, played = known.notes(), passage.truth.notes
    if not heard.notes or not played:
        return np.zeros((0, FEATURES), np.float32), np.zeros(0)
    pairs = metrics.match(played, heard.notes, evaluation)
    times = as_arrays(played)[0]
    matched, found = pairs[times[pairs[:, 0], 0] < passage.end_s].T
    durations = np.diff(times, axis=1)[:, 0]
    return surroundings(heard, Trace.of(known.grid), known.frame_s)[found], durations[matched]


def _compare(config: Config, transcriber: Transcriber, forest: OffsetForest, notes: int) -> OffsetLearning:
    """How the validation split is transcribed without and with the forest."""
    pieces = validation_pieces(config, MOST_PIECES)
    scores = []
    with Progress(len(pieces), "judging offsets", "piece") as progress:
        for piece in pieces:
            passage = piece()
            known = transcriber.hear(passage.audio, passage.sample_rate, config.evaluation)
            truth, found = passage.truth.notes, (known.notes(), replace(known, offsets=forest).notes())
            scores.append([f1(truth, est.notes, config.evaluation, True, passage.end_s) for est in found])
            progress.advance(1)
    by_threshold, by_forest = np.mean(scores, axis=0).tolist()
    return OffsetLearning(len(pieces), notes, by_threshold, by_forest)
