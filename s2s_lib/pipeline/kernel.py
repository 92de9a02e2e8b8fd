"""The process that executes a notebook's cells."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpec


class OwnKernel(AsyncKernelManager):
    """A kernel in this very interpreter, whatever kernels the machine has installed.

    What cells write to stderr is in the notebook; what the kernel itself has to say when it ends is dropped.
    """

    @property
    def kernel_spec(self) -> KernelSpec:
        """How the kernel is started.

        As a batch run, in which no browser is shown; without frozen modules, about which its debugger would warn in
        every report; and without Hugging Face's progress bars, which are widgets and stay blank in a saved report.
        """
        command = [sys.executable, "-Xfrozen_modules=off", "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        quiet = {"PYDEVD_DISABLE_FILE_VALIDATION": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
        return KernelSpec(
            argv=[*command, "--log-level=ERROR"],
            env={**quiet, "S2S_BATCH": "1"},
            language="python",
            display_name="Python 3",
        )

    async def start_kernel(self, **options: Any) -> None:
        """Starts the kernel."""
        await self._async_start_kernel(**options, stderr=subprocess.DEVNULL)
