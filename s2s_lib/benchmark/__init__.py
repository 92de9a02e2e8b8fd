"""Our transcriber and other tools on the same recordings of a piano that training never heard. Imports no torch.

Each tool runs in a process of its own, peers in virtual environments of their own: transkun (Yan and Duan, ISMIR
2024) and basic-pitch (Bittner et al., ICASSP 2022).
"""

from s2s_lib.benchmark.peers import PEERS, commands, install_peers
from s2s_lib.benchmark.results import COLUMNS, LABELS, Benchmark, ToolResult, peers_markdown
from s2s_lib.benchmark.robustness import AXES, Curve
from s2s_lib.benchmark.run import benchmark, check_benchmark

__all__ = [
    "AXES", "COLUMNS", "LABELS", "PEERS", "Benchmark", "Curve",
    "ToolResult", "benchmark", "check_benchmark", "commands", "install_peers", "peers_markdown",
]  # fmt: skip
