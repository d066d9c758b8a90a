"""Makes small files for the tests of reading."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from assistant.turn import Passage
from knowledge.reading import cut, read

CHROMIUM = shutil.which("chromium")


def passages(path: Path) -> list[Passage]:
    """Passages of the file."""
    return cut(read(path), revision="r1")


def write(path: Path, text: str | bytes) -> Path:
    """Writes `text` and gives the path back."""
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8"))
    return path


def rows(found: list[Passage]) -> list[str]:
    """Texts of the table rows."""
    return [p.text for p in found if p.form == "row"]


def asked(found: list[Passage]) -> list[tuple[str, str]]:
    """(question, answer) pairs."""
    return [(p.question, p.text) for p in found if p.form == "faq"]


def printed(html: str, folder: Path) -> Path:
    """A PDF of the page as the browser prints it."""
    page = write(folder / "page.html", f"<html><head><meta charset=utf-8></head><body>{html}</body></html>")
    target = folder / "page.pdf"
    command = [str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer"]
    subprocess.run([*command, f"--print-to-pdf={target}", page.as_uri()], check=True, capture_output=True, timeout=60)
    return target
