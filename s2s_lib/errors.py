"""The one error that means 'the input is at fault': a sentence for the user, never a traceback."""


class InputError(Exception):
    """Bad input found before or while a stage works. Its message names the file or key and the way out.

    `usage` tells a wrong flag or config (exit 2) from a stage that failed on what it was given (exit 1).
    """

    def __init__(self, message: str, usage: bool = False):
        super().__init__(message)
        self.usage = usage

    def _render_traceback_(self) -> list[str]:
        """What IPython shows in place of a traceback; the pipeline tells the exit code from it."""
        return [f"InputError{' (usage)' if self.usage else ''}: {self}"]
