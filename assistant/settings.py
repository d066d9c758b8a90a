"""Settings of an installation, from the environment and from its data folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

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
    """What the environment sets. Secrets come from here or from a file only, never from the command line.

    `release_mode` "sentence" releases what a model writes sentence by sentence, each checked with all before it;
    `check_timeout` is how many seconds each check may take before a person takes over.
    """

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
    release_mode: Literal["whole", "sentence"] = "whole"
    check_timeout: float = Field(default=5.0, gt=0)
