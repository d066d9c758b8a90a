"""Settings of an installation, from the environment and from its data folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


@dataclass(frozen=True, slots=True)
class FlowSettings:
    """Thresholds of the flow; probabilities 0..1, fitted by `make train-retrieval` on our own questions."""

    answerable: float = 0.45
    sure_answer: float = 0.75
    sure_intent: float = 0.7
    sure_care: float = 0.5
    most_parts: int = 3


class Settings(BaseSettings):
    """What the environment sets. Secrets come from here or from a file only, never from the command line."""

    model_config = SettingsConfigDict(env_prefix="HESHI_", extra="ignore")

    data: Path = Path("data")
    heads: Path | None = None
    cache: Path = Field(default_factory=lambda: Path.home() / ".cache" / "heshi")
    database_url: str | None = None
    embedder: str = "e5"
    embedding_base_url: str | None = None
    embedding_api_key: str = ""
    policy: str = "cn-securities"
    reranker: str | None = None
    llm_base_url: str | None = Field(default=None, validation_alias="LLM_BASE_URL")
    llm_api_key: str = Field(default="", validation_alias="LLM_API_KEY")
    llm_model: str | None = Field(default=None, validation_alias="LLM_MODEL")
    llm_timeout: float = Field(default=20.0, validation_alias="LLM_TIMEOUT")
