"""What is known of a sweep's trials, kept by Optuna in a journal in the sweep's folder."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from s2s_lib.config import Config
from s2s_lib.errors import InputError
from s2s_lib.pipeline.sweep.space import Values, category, definition, distributions, drawn, identity

JOURNAL = "optuna.log"
NAME, IDENTITY, ERROR = "run", "identity", "error"  # what is noted of a trial
DROPPED = "dropped"  # and of one that is none: drawn before, or broken off while it was drawn
FIXED = "fixed_params"  # Optuna's own note of what a trial was told to be
STARTUP = 10  # trials that TPE draws at random before it looks at results, where there are plenty


@dataclass(frozen=True)
class Trial:
    """One run of a sweep: `number` is Optuna's, `name` the run's, `value` its metric once it is done."""

    number: int
    name: str
    values: Values
    state: str  # "waiting", "running", "done" or "failed"
    value: float | None = None
    error: str | None = None


class Record:
    """The trials of one sweep, in the order in which they are to run.

    The journal outlives a broken-off sweep. A sweep whose keys, values or other parameters have changed is a study of
    its own in the same journal, but a run that is the same as an earlier one keeps its name, and so its results.
    """

    def __init__(self, config: Config, direction: str):
        import optuna
        from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock, JournalStorage

        optuna.logging.set_verbosity(logging.WARNING)
        self._config, self._sweep, self._folder = config, config.sweep, config.output.run_dir
        path = str(self._folder / JOURNAL)
        try:
            self._storage = JournalStorage(JournalFileBackend(path, JournalFileOpenLock(path)))
            self._study = optuna.create_study(
                storage=self._storage, study_name=definition(config), direction=direction, load_if_exists=True
            )
        except (ValueError, KeyError, TypeError):
            raise InputError(f"{path}: is no record of a sweep's trials; choose another --name.", usage=True) from None
        self._distributions = distributions(config.sweep)
        self._names = self._known_names()
        self._begun = []
        for frozen in self._all():
            if frozen.state.name == "RUNNING" and len(_parameters(frozen)) == len(self._distributions):
                self._begun.append(frozen.number)
            elif frozen.state.name == "RUNNING":
                self._drop(frozen.number)

    def plan(self, combinations: Iterable[Values]) -> None:
        """Puts in line what failed before, and those combinations that are not known yet."""
        for trial in self.trials():
            if trial.state == "failed":
                self._enqueue(trial.values)
        known = {trial.user_attrs.get(IDENTITY) for trial in self._all()}
        for values in combinations:
            if identity(self._config, values) not in known:
                self._enqueue(values)

    def next(self) -> Trial | None:
        """The next trial to run: one broken off, one in line, or a new draw; None when all have been run."""
        if self._begun:
            return self._trial(self._all()[self._begun.pop(0)])
        if any(trial.state.name == "WAITING" for trial in self._all()):
            return self._ask()
        if self._sweep.search == "grid":
            return None
        while len(self.trials()) < (self._sweep.trials or 0):
            trial = self._ask()
            if trial is not None:
                return trial
        return None

    def done(self, trial: Trial, value: float) -> None:
        """Notes a trial's result."""
        self._study.tell(trial.number, value)

    def failed(self, trial: Trial, error: str) -> None:
        """Notes why a trial failed."""
        from optuna.trial import TrialState

        self._note(trial.number, ERROR, error)
        self._study.tell(trial.number, state=TrialState.FAIL)

    def trials(self) -> list[Trial]:
        """Every trial by its latest attempt, in the order of their first ones."""
        latest: dict[str, Trial] = {}
        for frozen in self._all():
            if DROPPED not in frozen.user_attrs:
                trial = self._trial(frozen)
                latest[trial.name] = trial
        return list(latest.values())

    def best(self) -> Trial | None:
        """The trial with the best value, the first of equals."""
        sign = 1 if self._study.direction.name == "MAXIMIZE" else -1
        done = [(sign * trial.value, trial) for trial in self.trials() if trial.value is not None]
        return max(done, key=lambda pair: pair[0])[1] if done else None

    def _ask(self) -> Trial | None:
        """Takes the next trial in line, or draws one; None if that has been drawn before."""
        self._study.sampler = self._sampler()
        asked = self._study.ask(self._distributions)
        mine = identity(self._config, drawn(self._sweep, asked.params))
        others = [trial for trial in self._all() if trial.number != asked.number]
        if IDENTITY not in asked.user_attrs and any(trial.user_attrs.get(IDENTITY) == mine for trial in others):
            self._drop(asked.number)
            return None
        return self._trial(self._all()[asked.number])

    def _sampler(self) -> Any:
        """A sampler whose draw depends on the seed and on how many were drawn, so that a resumed sweep is the same."""
        from optuna.samplers import RandomSampler, TPESampler

        trials, wanted = self._all(), self._sweep.trials or 0
        draws = sum(FIXED not in trial.system_attrs for trial in trials)
        seed = int(np.random.SeedSequence([self._sweep.seed, draws]).generate_state(1)[0])
        again = bool(trials) and DROPPED in trials[-1].user_attrs  # TPE would insist
        if self._sweep.search != "tpe" or again:
            return RandomSampler(seed=seed)
        startup = min(STARTUP, max(1, wanted // 3))
        return TPESampler(seed=seed, n_startup_trials=startup, constant_liar=True)

    def _enqueue(self, values: Values) -> None:
        parameters = {name: category(value) for name, value in values.items()}
        mine = identity(self._config, values)
        self._study.enqueue_trial(parameters, user_attrs={IDENTITY: mine, NAME: self._name(mine)})

    def _trial(self, frozen: Any) -> Trial:
        values = drawn(self._sweep, _parameters(frozen))
        notes = frozen.user_attrs
        if NAME not in notes:
            mine = identity(self._config, values)
            notes = {**notes, IDENTITY: mine, NAME: self._name(mine)}
            for key in (IDENTITY, NAME):
                self._note(frozen.number, key, notes[key])
        states = {"COMPLETE": "done", "FAIL": "failed", "RUNNING": "running", "WAITING": "waiting"}
        return Trial(frozen.number, notes[NAME], values, states[frozen.state.name], frozen.value, notes.get(ERROR))

    def _drop(self, number: int) -> None:
        from optuna.trial import TrialState

        self._note(number, DROPPED, True)
        self._study.tell(number, state=TrialState.FAIL)

    def _all(self) -> list[Any]:
        return self._study.get_trials(deepcopy=False)

    def _note(self, number: int, key: str, value: Any) -> None:
        self._storage.set_trial_user_attr(self._all()[number]._trial_id, key, value)

    def _name(self, mine: str) -> str:
        """The name of the run with this identity: the one that it had, or the next that nothing bears."""
        if mine not in self._names:
            sweep = self._config.output.name
            numbers = [int(name.rpartition("-")[2]) for name in self._names.values()]
            number = max(numbers, default=0) + 1
            while (self._folder.parent / f"{sweep}-{number:02d}").exists():
                number += 1
            self._names[mine] = f"{sweep}-{number:02d}"
        return self._names[mine]

    def _known_names(self) -> dict[str, str]:
        """The names of all runs in the journal, by identity."""
        studies = self._storage.get_all_studies()
        trials = [trial for study in studies for trial in self._storage.get_all_trials(study._study_id)]
        notes = [trial.user_attrs for trial in trials if NAME in trial.user_attrs]
        return {note[IDENTITY]: note[NAME] for note in notes}


def _parameters(frozen: Any) -> dict[str, Any]:
    """What Optuna drew for a trial, or was told to draw."""
    return {**frozen.system_attrs.get(FIXED, {}), **frozen.params}
