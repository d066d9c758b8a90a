"""A small broker's materials, one installation over them for all tests to read, and fresh ones for tests that write."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from app import Installation
from assistant.settings import Settings
from tests.branch import Branch, MarkerRouter
from tests.corpus import write_materials


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Browsers come last: Playwright keeps an event loop running in the main thread until the session ends."""
    items.sort(key=lambda item: "e2e" in item.path.parts)


@pytest.fixture(scope="session")
def shared_parts() -> dict[str, Any]:
    """The parts that belong to no data folder, built once: embedder, router, screen."""
    builder = Installation(Settings(data=Path("/nonexistent")))
    builder.__dict__["materials"] = _NoFacts()
    shared = {name: getattr(builder, name) for name in ("trunk", "embedder", "pairs", "screen")}
    return {**shared, "router": MarkerRouter()}


class _NoFacts:
    def all_facts(self) -> dict[str, Any]:
        return {}


@pytest.fixture(scope="session")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the materials of the fictional broker 云杉证券. Read only: copy before changing."""
    folder = tmp_path_factory.mktemp("sources")
    write_materials(folder)
    return folder


@pytest.fixture(scope="session")
def branch(tmp_path_factory: pytest.TempPathFactory, sources: Path, shared_parts: dict[str, Any]) -> Iterator[Branch]:
    """An installation with the materials loaded. Tests may ask it anything; they must not change its materials."""
    made = Branch(tmp_path_factory.mktemp("branch"), shared_parts)
    report = made.json("ingest", str(sources), "--json")
    assert report["failed"] == []
    yield made
    made.close()


@pytest.fixture(scope="session")
def archive(branch: Branch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup of the loaded installation, vectors included."""
    file = tmp_path_factory.mktemp("archive") / "branch.tar.gz"
    status, _, err = branch.run("backup", str(file))
    assert status == 0, err
    return file


@pytest.fixture
def own(archive: Path, sources: Path, tmp_path: Path, shared_parts: dict[str, Any]) -> Iterator[Branch]:
    """A copy of the loaded installation that a test may change, with its own copy of the materials in `sources`."""
    made = Branch(tmp_path / "data", shared_parts)
    status, _, err = made.run("restore", str(archive))
    assert status == 0, err
    shutil.copytree(sources, tmp_path / "sources")
    yield made
    made.close()


@pytest.fixture
def fresh(tmp_path: Path, shared_parts: dict[str, Any]) -> Iterator[Callable[[str], Branch]]:
    """Makes installations in folders that do not exist yet."""
    made: list[Branch] = []

    def make(name: str = "fresh") -> Branch:
        made.append(Branch(tmp_path / name, shared_parts))
        return made[-1]

    yield make
    for one in made:
        one.close()
