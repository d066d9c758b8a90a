"""Vector search in Chroma. The collection is derived from the records and holds only what is searchable."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np

BATCH = 2000


class Vectors:
    """One Chroma client. Its folder belongs to one process at a time; a second process works in memory.

    `fetch` gives the stored vectors (float32 rows) for passage keys: the records stay the truth.
    """

    def __init__(self, folder: Path | None) -> None:
        import chromadb
        from chromadb.config import Settings

        settings = Settings(anonymized_telemetry=False, allow_reset=True)
        self._lock = _take(folder) if folder is not None else None
        self._client: Any
        if folder is not None and self._lock is not None:
            self._client = chromadb.PersistentClient(str(folder), settings=settings)
        else:
            self._client = chromadb.EphemeralClient(settings=settings)

    def sync(
        self, name: str, wanted: Sequence[int], fetch: Callable[[Sequence[int]], Mapping[int, np.ndarray]]
    ) -> None:
        """Make collection `name` hold exactly the passages `wanted` (keys)."""
        collection = self._collection(name)
        present = {int(found) for found in collection.get(include=[])["ids"]}
        gone = [str(key) for key in present - set(wanted)]
        for start in range(0, len(gone), BATCH):
            collection.delete(ids=gone[start : start + BATCH])
        fresh = [key for key in wanted if key not in present]
        for start in range(0, len(fresh), BATCH):
            rows = fetch(fresh[start : start + BATCH])
            if rows:
                collection.add(ids=[str(key) for key in rows], embeddings=np.stack(list(rows.values())))

    def search(self, name: str, vector: np.ndarray, count: int) -> list[tuple[int, float]]:
        """The nearest passages as (key, cosine), best first."""
        collection = self._collection(name)
        if collection.count() == 0:
            return []
        found = collection.query(query_embeddings=vector.reshape(1, -1), n_results=count, include=["distances"])
        pairs = zip(found["ids"][0], found["distances"][0], strict=True)
        return [(int(key), 1.0 - float(distance)) for key, distance in pairs]

    def drop(self, keep: Sequence[str] = ()) -> None:
        """Remove collections not named in `keep` (another embedder's, or before a rebuild)."""
        for collection in self._client.list_collections():
            if collection.name not in keep:
                self._client.delete_collection(collection.name)

    def close(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _collection(self, name: str) -> Any:
        configuration = {"hnsw": {"space": "cosine", "ef_search": 128}}
        return self._client.get_or_create_collection(name, embedding_function=None, configuration=configuration)


def _take(folder: Path) -> IO[str] | None:
    folder.mkdir(parents=True, exist_ok=True)
    handle = (folder / "owner.lock").open("w")
    with contextlib.suppress(OSError):
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        handle.write(str(os.getpid()))
        handle.flush()
        return handle
    handle.close()
    return None
