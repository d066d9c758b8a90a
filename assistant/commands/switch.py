"""Turn the one switch that hands every channel over to people at once: on, off, or show it."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import Any


def add(parser: ArgumentParser) -> None:
    parser.add_argument("state", nargs="?", choices=("on", "off"))


def run(options: Namespace, installation: Any) -> int:
    if options.state is not None:
        installation.log.append("switch", "switch", {"state": options.state})
        installation.materials.set_facts({"switch": options.state})
    print(installation.materials.fact("switch", "off"))
    return 0
