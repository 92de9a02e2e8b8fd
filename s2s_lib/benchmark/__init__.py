"""Our transcriber and other tools on the same recordings of a piano that training never heard. Imports no torch.

Each tool runs in a process of its own, peers in virtual environments of their own: transkun (Yan and Duan, ISMIR
2024) and basic-pitch (Bittner et al., ICASSP 2022).
"""

from s2s_lib.benchmark.peers import PEERS, commands, install_peers
from s2s_lib.benchmark.results import COLUMNS, LABELS, Benchmark, ToolResult, interval_text, peers_markdown
from s2s_lib.benchmark.robustness import AXES, Curve
from s2s_lib.benchmark.run import benchmark, check_benchmark, model_folder
from s2s_lib.benchmark.statistics import NOTE_RATE, POLYPHONY, VELOCITY, Bands, Estimate

__all__ = [
    "AXES", "COLUMNS", "LABELS", "NOTE_RATE", "PEERS", "POLYPHONY", "VELOCITY", "Bands", "Benchmark", "Curve",
    "Estimate", "ToolResult", "benchmark", "check_benchmark", "commands", "install_peers", "interval_text",
    "model_folder", "peers_markdown",
]  # fmt: skip
