"""What the README shows works: its blocks marked `sh check` are run in an empty data folder."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```sh check[ \t]*\n(.*?)^```[ \t]*$", re.MULTILINE | re.DOTALL)


def blocks(text: str) -> list[str]:
    """The commands of each block to check."""
    return BLOCK.findall(text)


def readme() -> str:
    return (ROOT / "README.md").read_text(encoding="utf-8")


def test_blocks_are_found_by_their_mark() -> None:
    """Only blocks whose info string is `sh check` are run."""
    text = "```sh\nno\n```\n\n```sh check\nyes\nyes too\n```\n\n```python\nno\n```\n"
    assert blocks(text) == ["yes\nyes too\n"]


def test_readme_has_commands_to_check() -> None:
    """The README shows at least one command that is checked."""
    assert blocks(readme())


@pytest.mark.parametrize("commands", blocks(readme()) if (ROOT / "README.md").exists() else [])
def test_commands_of_the_readme_work(commands: str, tmp_path: Path) -> None:
    """Each block runs to its end, as written, with the records in a folder of its own."""
    keep = {name: value for name, value in os.environ.items() if not name.startswith(("HESHI_", "LLM_"))}
    path = f"{Path(sys.executable).parent}{os.pathsep}{keep.get('PATH', '')}"
    env = keep | {"HESHI_DATA": str(tmp_path / "data"), "PATH": path}
    done = subprocess.run(
        ["sh", "-euc", commands], cwd=ROOT, env=env, capture_output=True, encoding="utf-8", timeout=280, check=False
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr
    assert (tmp_path / "data" / "heshi.db").exists()
