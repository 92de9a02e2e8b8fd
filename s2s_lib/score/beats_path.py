"""The likeliest course of beats through the onsets of a performance: dynamic programming over tempo and metre.

A bar pointer (Whiteley, Cemgil and Godsill, ISMIR 2006; Krebs, Böck and Widmer, ISMIR 2015) that moves from onset to
onset instead of from frame to frame: a state is an onset that carries a beat, the length of the beat before it, and
the place of the beat in the bar of one metre. Times stay exact, and the cost grows with the number of onsets.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SHORTEST_S, LONGEST_S = 0.24, 2.6  # beat lengths, in steps of
LENGTH_STEP = 0.04  # of their logarithm
LENGTHS_S = np.exp(np.arange(np.log(SHORTEST_S), np.log(LONGEST_S), LENGTH_STEP))
CHANGE, LARGEST_CHANGE = 12.0, 5.0  # cost of a change of length, per unit of its logarithm and at most
SILENT_BEAT = 3.5  # cost of a beat without an onset
MOST_SILENT = 3  # such beats in a row, but in a silence
SILENCE_S = 2.0  # from onset to onset, beyond which any number of silent beats may lie
UNLIKELY = -5.0  # log-odds below which an onset is not considered as a beat
EDGE_S = 4.0  # the first beat comes within this time of the first onset, the last one within it of the last
NEAR, NEAR_SILENT = 48, 12  # candidates that may lie within a beat, and between beats with silent ones between them
START = -1  # a way that has no onset before it


@dataclass(frozen=True)
class Evidence:
    """What single onsets say about beats; all natural logarithms.

    times_s: (n,) ascending; beat: (n,) log-odds that it carries a beat; downbeat: (n,) log-odds that the beat is a
    downbeat; length: (n, len(LENGTHS_S)) log-probability of each beat length there; metre: (m,) log-probabilities;
    pace: (m, len(LENGTHS_S)) log-probability of each beat length in each metre, anywhere.
    """

    times_s: np.ndarray
    beat: np.ndarray
    downbeat: np.ndarray
    length: np.ndarray
    metre: np.ndarray
    pace: np.ndarray


@dataclass(frozen=True)
class Course:
    """Beats found: (n,) times in seconds, the first one's place in its bar (0 a downbeat), index of the metre."""

    beats_s: np.ndarray
    place: int
    metre: int


def best_course(evidence: Evidence, bars: list[int]) -> Course | None:
    """The likeliest beats, where bars[m] is the number of beats to the bar of metre m; None if there are not two.

    Beats without an onset lie evenly between those about them.
    """
    before = np.diff(evidence.times_s, prepend=-np.inf)
    chosen = np.flatnonzero((evidence.beat > UNLIKELY) | (before > SILENCE_S))
    columns = (evidence.times_s, evidence.beat, evidence.downbeat, evidence.length)
    kept = Evidence(*(column[chosen] for column in columns), evidence.metre, evidence.pace)
    return _Search(kept, bars).course()


def _ways(times: np.ndarray, j: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ways to come to a beat on onset j: onset before, beats from there, log length of a beat."""
    near = np.arange(max(0, j - NEAR), j)
    gaps = times[j] - times[near]
    befores, counts = [near], [np.ones(len(near), int)]
    close = near[-NEAR_SILENT:]
    for count in range(2, MOST_SILENT + 2):
        befores.append(close)
        counts.append(np.full(len(close), count))
    if len(near) and gaps[-1] > SILENCE_S:
        many = np.arange(MOST_SILENT + 2, int(gaps[-1] / 0.5) + 1)
        many = many[:: max(1, len(many) // 40)]
        befores.append(np.full(len(many), j - 1))
        counts.append(many)
    before, count = np.concatenate(befores), np.concatenate(counts)
    length = (times[j] - times[before]) / count
    fine = (length >= SHORTEST_S) & (length < LONGEST_S)
    return before[fine], count[fine], np.log(length[fine])


class _Search:
    """One search; S states of bar places, over all metres, stand side by side in the last axis of all arrays."""

    def __init__(self, evidence: Evidence, bars: list[int]):
        self.evidence = evidence
        self.metre = np.repeat(np.arange(len(bars)), bars)  # (S,)
        self.place = np.concatenate([np.arange(size) for size in bars])
        self.size = np.array(bars)[self.metre]
        self.start = np.arange(len(self.place)) - self.place
        self.prior = evidence.metre[self.metre] - np.log(self.size)
        is_down, is_not = -np.logaddexp(0, -evidence.downbeat), -np.logaddexp(0, evidence.downbeat)
        self.gain = evidence.beat[:, None] + np.where(self.place == 0, is_down[:, None], is_not[:, None])
        self.pace = evidence.pace[self.metre].T  # (lengths, S)
        self.ways: list[tuple[np.ndarray, np.ndarray]] = []  # per onset: onset before, beats from there
        self.choice = np.zeros((len(self.gain), len(LENGTHS_S), len(self.place)), np.int16)

    def course(self) -> Course | None:
        """Goes through the onsets once, then back from the best end."""
        times, logs = self.evidence.times_s, np.log(LENGTHS_S)
        states = np.arange(len(self.place))
        # onward[j]: the best score with a beat on onset j, if the next beat has each of the lengths
        onward = np.full((len(times), len(LENGTHS_S), len(states)), -np.inf, np.float32)
        end: tuple[float, int, int, int] | None = None
        for j in range(len(times)):
            before, count, log_length = _ways(times, j)
            self.ways.append((before, count))
            step = np.clip(np.rint((log_length - logs[0]) / LENGTH_STEP).astype(int), 0, len(logs) - 1)
            came = self.start + (self.place - count[:, None]) % self.size  # (ways, S): state at the onset before
            gain = self.evidence.length[j][step] - SILENT_BEAT * np.minimum(count - 1, MOST_SILENT)
            score = onward[before[:, None], step[:, None], came] + gain[:, None] + self.pace[step] + self.gain[j]
            if len(score):
                change = np.minimum(CHANGE * np.abs(logs[:, None] - log_length), LARGEST_CHANGE)
                following = score - change[:, :, None]  # (lengths, ways, S)
                self.choice[j] = following.argmax(axis=1)
                onward[j] = np.take_along_axis(following, self.choice[j][:, None].astype(int), 1)[:, 0]
            if times[j] - times[0] <= EDGE_S:
                fresh = self.gain[j] + self.prior + self.evidence.length[j][:, None] + self.pace
                better = fresh > onward[j]
                onward[j] = np.where(better, fresh, onward[j])
                self.choice[j] = np.where(better, START, self.choice[j])
            if times[-1] - times[j] <= EDGE_S and len(score):
                way, state = np.unravel_index(score.argmax(), score.shape)
                if end is None or score[way, state] > end[0]:
                    end = (float(score[way, state]), j, int(way), int(state))
        return self._back(end)

    def _back(self, end: tuple[float, int, int, int] | None) -> Course | None:
        times, logs = self.evidence.times_s, np.log(LENGTHS_S)
        if end is None or not np.isfinite(end[0]):
            return None
        _, j, way, state = end
        metre, beats = int(self.metre[state]), [float(times[j])]
        while way != START:
            before, count = self.ways[j][0][way], self.ways[j][1][way]
            length = (times[j] - times[before]) / count
            beats += [float(times[j] - k * length) for k in range(1, count + 1)]
            step = int(np.clip(np.rint((np.log(length) - logs[0]) / LENGTH_STEP), 0, len(logs) - 1))
            state = int(self.start[state] + (self.place[state] - count) % self.size[state])
            j = int(before)
            way = int(self.choice[j, step, state])
        return Course(np.array(beats[::-1]), int(self.place[state]), metre)
