"""The scores of an evaluation report as a table for the terminal."""

from __future__ import annotations

from typing import Any

from s2s_lib.wording import counted

ROWS = {
    "onset": "onset",
    "onset_offset_key": "onset + offset (key release)",
    "onset_offset_pedal": "onset + offset (pedal-extended)",
    "onset_offset_velocity": "onset + offset (key release) + velocity",
    "frame": "frame (key held, 10 ms)",
}
WIDTH = max(map(len, ROWS.values()))


def scores_summary(report: dict[str, Any]) -> str:
    """A table per source: precision, recall and F1, each the mean over files in per cent; then a line per piano."""
    tables = [_table(source, summary) for source, summary in report["summary"].items()]
    return "\n\n".join([*tables, *_pianos(report["pianos"])])


def _pianos(pianos: dict[str, Any]) -> list[str]:
    """One block with the onset F1 on each piano; nothing if there is just one, heard in training."""
    if len(pianos) < 2 and not any(piano["held_out"] for piano in pianos.values()):
        return []
    width = max(map(len, pianos))
    lines = ["onset F1 by piano"]
    for name, piano in pianos.items():
        note = "  never heard in training" if piano["held_out"] else ""
        lines.append(
            f"{name:{width}}  {100 * piano['mean']['onset.f1']:4.1f} %  {counted(piano['files'], 'file')}{note}"
        )
    return ["\n".join(lines)]


def _table(source: str, summary: dict[str, Any]) -> str:
    files = "1 file" if summary["files"] == 1 else f"mean of {summary['files']} files"
    lines = [
        f"{source}: {files}, {counted(summary['ref_notes'], 'note')}",
        f"{'':{WIDTH}}  precision  recall     F1",
    ]
    for name, text in ROWS.items():
        precision, recall, f1 = (100 * summary["mean"][f"{name}.{part}"] for part in ("precision", "recall", "f1"))
        lines.append(f"{text:{WIDTH}}  {precision:7.1f} %  {recall:4.1f} %  {f1:4.1f} %")
    return "\n".join(lines)
