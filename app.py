"""Composition root: settings → seams → the assistant. `python app.py COMMAND` is the contract others script against."""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

from assistant.settings import FlowSettings, Settings

HERE = Path(__file__).parent
REPLIES = HERE / "knowledge" / "replies"


@dataclass(frozen=True)
class Installation:
    """The parts of one data folder, each built when first used. Only this class knows the adapters."""

    settings: Settings

    @property
    def folder(self) -> Path:
        return self.settings.data

    @property
    def heads(self) -> Path:
        return self.settings.heads or self.folder / "heads.log"

    @cached_property
    def database(self) -> Any:
        from knowledge.records.database import Database

        self.folder.mkdir(parents=True, exist_ok=True)
        return Database(self.settings.database_url or f"sqlite:///{self.folder / 'heshi.db'}")

    @cached_property
    def materials(self) -> Any:
        from assistant.fixed_texts import load_fixed_texts
        from knowledge.records.materials import Materials

        materials = Materials(self.database)
        load_fixed_texts(materials, REPLIES)
        return materials

    @cached_property
    def log(self) -> Any:
        from assistant.compliance.index import SearchIndex
        from assistant.log import Log

        return Log(self.database, self.heads, self.folder / "keys" / "log.key", index=SearchIndex())

    @cached_property
    def people(self) -> Any:
        from assistant.people.accounts import People

        return People(self.database, self.log)

    @cached_property
    def identify(self) -> Any:
        """Who a customer is: by the signed token of the broker's app."""
        from assistant.people.identify import identify
        from assistant.people.settings import CustomerTokenSettings
        from assistant.people.tokens import CustomerTokens, load_keys

        given = CustomerTokenSettings()
        tokens = CustomerTokens(load_keys(given.keys), given.audience, given.longest)
        return identify(tokens, self.database)

    @cached_property
    def embedder(self) -> Any:
        name = self.settings.embedder
        if self.settings.embedding_base_url:
            from knowledge.embedding.endpoint import EndpointEmbedder

            return EndpointEmbedder(self.settings.embedding_base_url, self.settings.embedding_api_key, name)
        if name == "e5":
            return self.trunk
        from knowledge.embedding.sentence import SentenceModel

        return SentenceModel(name)

    @cached_property
    def trunk(self) -> Any:
        """The installed model: the default embedder, and the lower layers of the pair model."""
        from knowledge.embedding.e5 import E5

        return E5(self.settings.cache)

    @cached_property
    def library(self) -> Any:
        from knowledge.index.vectors import Vectors
        from knowledge.library import Library
        from knowledge.retrieval.words import Words

        return Library(self.materials, self.embedder, Vectors(self.folder / "chroma"), Words(), self.pairs)

    @cached_property
    def pairs(self) -> Any:
        from knowledge.embedding.pair import PairScorer

        return PairScorer(self.trunk, self.settings.cache)

    @cached_property
    def bare_search(self) -> Any:
        """Search without its trained models, for training them."""
        from knowledge.retrieval.search import Search

        return Search(self.library, models=None)

    @cached_property
    def search(self) -> Any:
        from knowledge.retrieval.search import Models, Search

        reranker = None
        if self.settings.reranker:
            from knowledge.embedding.sentence import CrossEncoderReranker

            reranker = CrossEncoderReranker(self.settings.reranker)
        return Search(self.library, Models.load(self.embedder.name), reranker)

    @cached_property
    def screen(self) -> Any:
        from guardrails.meaning import Meaning
        from guardrails.policy import load
        from guardrails.screening import Screen

        policy = load(HERE / "guardrails" / "policies" / f"{self.settings.policy}.yaml")
        return Screen(policy, Meaning.load(), self.contacts, limit_s=self.settings.check_timeout)

    @property
    def contacts(self) -> tuple[str, ...]:
        from assistant.flow import contacts

        return contacts(self.materials.all_facts())

    @cached_property
    def router(self) -> Any:
        from assistant.informed import InformedRouter
        from assistant.routing import READER, Router
        from knowledge.embedding.classifier import TextClassifier

        reader = TextClassifier(self.trunk, self.settings.cache, READER)
        return InformedRouter(Router.load(reader), self.library)

    @cached_property
    def known_products(self) -> Callable[[], Any]:
        from assistant.known_products import KnownProducts

        return KnownProducts(self.library).index

    @cached_property
    def writer(self) -> Any:
        settings = self.settings
        if not (settings.llm_base_url and settings.llm_model):
            return None
        from assistant.answer.llm import ModelWriter

        return ModelWriter(settings.llm_base_url, settings.llm_api_key, settings.llm_model, settings.llm_timeout)

    @cached_property
    def parts(self) -> Any:
        from assistant.replies import Replies, last_resort
        from assistant.seams import Parts

        return Parts(
            router=self.router,
            search=self.search,
            screen=self.screen,
            replies=Replies(self.materials),
            log=self.log,
            settings=FlowSettings(),
            versions=self.versions,
            known_products=self.known_products,
            last_resort=last_resort(REPLIES / "check_failed.md", self.screen, date.today()),
            writer=self.writer,
        )

    @cached_property
    def assistant(self) -> Any:
        from assistant.assistant import Assistant

        return Assistant(self.parts, self.materials, desk=self.desk)

    @cached_property
    def desk(self) -> Any:
        """The staff desk: who is in charge of which conversation."""
        from assistant.desk.desk import Desk

        return Desk(self.parts, self.materials, self.database, time.time)

    @cached_property
    def mounted(self) -> tuple[Any, ...]:
        """The channels besides HTTP that are set up."""
        from assistant.channels.wecom import channel, settings

        found = settings.load(self.folder)
        if not found.on:
            return ()
        from assistant.channels.staff_wecom import CHANNEL, WecomCarrier

        wecom = channel.over(self.assistant, found, self.database, self.folder, self.desk)
        self.desk.carriers[CHANNEL] = WecomCarrier(wecom)
        return (wecom,)

    @property
    def versions(self) -> Mapping[str, str]:
        """What answers, by name and hash: embedder, models, rules, prompts."""
        return {
            "embedder": self.embedder.name,
            "policy": f"{self.screen.policy.id}@{self.screen.policy.version}:{self.screen.policy.hash[:16]}",
            **_file_hashes(),
        }


def _file_hashes() -> dict[str, str]:
    """Short hashes of the data that shape an answer."""
    named = {
        "ranker": HERE / "knowledge" / "retrieval" / "ranker.json",
        "answerable": HERE / "knowledge" / "retrieval" / "answerable.json",
        "synonyms": HERE / "knowledge" / "retrieval" / "synonyms.yaml",
    }
    named |= {f"prompt:{path.stem}": path for path in sorted((HERE / "prompts").glob("*.md"))}
    return {name: hashlib.sha256(path.read_bytes()).hexdigest()[:16] for name, path in named.items() if path.exists()}


if __name__ == "__main__":
    from assistant.commands import main

    sys.exit(main(sys.argv[1:], Installation))
