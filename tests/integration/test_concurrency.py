"""Several at once: threads in one conversation, retries, a verifier beside a writer, a second process."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from assistant.log import Log
from assistant.turn import Reply
from knowledge.records.database import Database
from tests.branch import Branch

ROOT = Path(__file__).parents[2]
STAR = "开通科创板权限需要什么条件？"


def together(count: int, act: Callable[[int], Reply]) -> list[Reply]:
    """Run `act` in threads that start at the same moment."""
    barrier = threading.Barrier(count)

    def begin(number: int) -> Reply:
        barrier.wait(30)
        return act(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(begin, range(count)))


def test_threads_in_one_conversation(own: Branch) -> None:
    """Messages that arrive together are taken one after the other: the log is contiguous and whole."""
    own.ask("你好")
    replies = together(6, lambda n: own.ask([STAR, "你好"][n % 2], conversation="c1"))
    entries = own.installation.log.conversation("c1")
    assert [entry.sequence for entry in entries] == [1, 2, 3, 4, 5, 6]
    assert {entry.id for entry in entries} == {reply.turn for reply in replies}
    assert [len(entry.body["history"]) for entry in entries] == [0, 2, 4, 6, 8, 10]
    assert own.json("verify-log", "--json")["ok"]


def test_threads_in_many_conversations(own: Branch) -> None:
    """Conversations side by side do not disturb each other's answers or the log."""
    expected = {
        question: own.ask(question).body for question in (STAR, "怎么下载对账单？", "基金申购什么时候确认份额？")
    }
    questions = list(expected) * 3
    replies = together(9, lambda n: own.ask(questions[n], conversation=f"c{n}"))
    assert [reply.body for reply in replies] == [expected[question] for question in questions]
    assert own.json("verify-log", "--json")["ok"]


def test_same_key_at_once_is_one_turn(own: Branch) -> None:
    """A message sent twice at the same moment is answered once."""
    replies = together(4, lambda n: own.ask(STAR, conversation="c1", key="k1"))
    assert len({reply.turn for reply in replies}) == 1
    assert len(own.installation.log.conversation("c1")) == 1


def test_verifier_beside_a_writer(tmp_path: Path) -> None:
    """A log that grows while it is verified is whole at every moment."""

    def opened() -> Log:
        return Log(Database(f"sqlite:///{tmp_path / 'heshi.db'}"), tmp_path / "heads.log", tmp_path / "keys" / "k")

    log, verifier = opened(), opened()
    done = threading.Event()

    def write() -> None:
        for number in range(120):
            log.append("a", "turn", {"n": number})
        done.set()

    thread = threading.Thread(target=write)
    thread.start()
    found = []
    while not done.is_set():
        found += verifier.verify()[1]
    thread.join()
    assert found == []
    assert verifier.verify() == (120, [])


def test_writers_in_two_processes(tmp_path: Path) -> None:
    """Two processes that log into one installation leave one contiguous, whole log."""
    script = (
        "import sys; from pathlib import Path; from assistant.log import Log; "
        "from knowledge.records.database import Database; p = Path(sys.argv[1]); "
        "log = Log(Database(f'sqlite:///{p / \"heshi.db\"}'), p / 'heads.log', p / 'keys' / 'k'); "
        "[log.append(sys.argv[2], 'turn', {'n': n}) for n in range(25)]"
    )
    Database(f"sqlite:///{tmp_path / 'heshi.db'}").close()
    command = [sys.executable, "-c", script, str(tmp_path)]
    started = [subprocess.Popen([*command, name], cwd=ROOT) for name in "ab"]
    assert [process.wait(120) for process in started] == [0, 0]
    log = Log(Database(f"sqlite:///{tmp_path / 'heshi.db'}"), tmp_path / "heads.log", tmp_path / "keys" / "k")
    assert log.verify() == (50, [])
    assert [entry.sequence for entry in log.conversation("a")] == list(range(1, 26))


RUNNING = """
import sys
from datetime import date
from pathlib import Path
from app import Installation
from assistant.settings import Settings
from assistant.turn import Asked
from tests.branch import MarkerRouter

installation = Installation(Settings(data=Path(sys.argv[1])))
installation.__dict__["router"] = MarkerRouter()
for line in sys.stdin:
    reply = installation.assistant.answer(Asked(line.strip(), "test", date(2026, 11, 22)))
    print(reply.outcome, reply.text.replace("\\n", " "), flush=True)
"""


def test_a_running_process_sees_changes_of_another(own: Branch, tmp_path: Path) -> None:
    """A document withdrawn, and the switch turned, by one process bind the very next question of another."""
    command = [sys.executable, "-c", RUNNING, str(own.folder)]
    own.ask("你好")
    env = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}
    running = subprocess.Popen(
        command, cwd=ROOT, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8"
    )

    def ask(text: str) -> str:
        assert running.stdin is not None
        assert running.stdout is not None
        running.stdin.write(f"{text}\n")
        running.stdin.flush()
        return running.stdout.readline()

    try:
        assert "50万元" in ask(STAR)
        file = tmp_path / "sources" / "star.md"
        file.write_text(file.read_text().replace("status: approved", "status: retired"))
        own.json("ingest", str(file), "--json")
        assert "50万元" not in ask(STAR)
        assert ask("怎么下载对账单？").startswith("answer")
        own.run("switch", "on")
        assert ask("怎么下载对账单？").startswith("handoff")
    finally:
        assert running.stdin is not None
        running.stdin.close()
        assert running.wait(60) == 0
        assert running.stdout is not None
        running.stdout.close()
    assert own.json("verify-log", "--json")["ok"]
