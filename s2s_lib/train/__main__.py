"""Training alone, for several machines: `accelerate launch ... -m s2s_lib.train runs/NAME/parameters.yaml`."""

from __future__ import annotations

import sys

from s2s_lib.config import Config
from s2s_lib.errors import InputError
from s2s_lib.train import train


def main(arguments: list[str]) -> int:
    """Trains as a run's parameters.yaml says, on the dataset that is there; returns the exit status."""
    if len(arguments) != 1:
        print("usage: accelerate launch [OPTIONS] -m s2s_lib.train runs/NAME/parameters.yaml", file=sys.stderr)
        return 2
    try:
        train(Config.load(arguments[0]))
    except InputError as error:
        print(f"s2s_lib.train: error: {error}", file=sys.stderr)
        return 2 if error.usage else 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
