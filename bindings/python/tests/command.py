"""Runs the command line as a user does, in a directory of its own."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any


class Files:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, name: str, content: Any) -> Path:
        """Text and bytes as they are, None: no such file, anything else as JSON."""
        path = self.folder / name
        if content is None:
            path.unlink(missing_ok=True)
        elif isinstance(content, bytes):
            path.write_bytes(content)
        else:
            path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        return path

    def names(self) -> set[str]:
        return {path.name for path in self.folder.iterdir()}


def run(arguments: Sequence[str], files: Files, shell: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "kthena", *arguments]
    if shell:
        command = ["bash", "-c", f"{shlex.join(command)} {shell}"]
    return subprocess.run(command, cwd=files.folder, capture_output=True, text=True, timeout=120, check=False)
