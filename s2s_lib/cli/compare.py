"""`s2s compare`: its arguments as a config, and what it prints."""

from __future__ import annotations

import argparse
import json

from s2s_lib.cli.flags import Parser
from s2s_lib.cli.resolve import resolve
from s2s_lib.config import Config

NAME = "comparison"


def add_compare(parser: Parser) -> None:
    """Declares the arguments of `s2s compare`, those of --config and --set apart."""
    parser.add_argument(
        "runs", metavar="RUN", nargs="*", help="names or folders of runs (default: all that were evaluated)"
    )
    parser.add_argument("--reference", metavar="RUN", help="run that the others are set against (default: the best)")
    parser.add_argument("--metrics", metavar="METRIC", nargs="+", help="scores to compare; the first ranks the runs")


def compare_config(options: argparse.Namespace) -> Config:
    """The config of a comparison; runs and scores given as arguments stand over --set and the config file."""
    given = {"runs": options.runs, "reference": options.reference, "metrics": options.metrics}
    options.set += [f"comparison.{key}={json.dumps(value)}" for key, value in given.items() if value]
    if not options.config and not hasattr(options, "flag__name"):
        options.flag__name = NAME
    return resolve(options, ("compare",))


def verdicts(config: Config) -> list[str]:
    """The sentences that a comparison came to, from its comparison.json."""
    return json.loads((config.output.results / "comparison.json").read_text(encoding="utf-8"))["verdicts"]
