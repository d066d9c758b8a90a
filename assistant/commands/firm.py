"""Show or set the facts of the firm (name, hotline, hours, links) from a YAML file."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

import yaml

from assistant.commands.batch import UsageError
from assistant.firm import OWN


def add(parser: ArgumentParser) -> None:
    parser.add_argument("--set", type=Path, metavar="FILE.yaml", dest="file", help="facts to set; others stay")


def run(options: Namespace, installation: Any) -> int:
    if options.file is not None:
        load_facts(options.file, installation)
    facts = {name: value for name, value in installation.materials.all_facts().items() if name not in OWN}
    print(json.dumps(facts, ensure_ascii=False, indent=2))
    return 0


def load_facts(file: Path, installation: Any) -> None:
    """Set the facts of a YAML mapping, logged. Raises UsageError."""
    try:
        values = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {file}: {error}") from None
    if not isinstance(values, dict) or OWN & values.keys():
        raise UsageError(f"{file} must be a mapping of facts; {', '.join(sorted(OWN))} are set by the program")
    installation.materials.set_facts(
        {str(name): json.loads(json.dumps(value, default=str)) for name, value in values.items()}
    )
    installation.log.append("materials", "firm", {"facts": sorted(str(name) for name in values)})
