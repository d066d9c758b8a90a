"""Tokens fetched once, errcodes told apart, nothing secret said."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from assistant.channels.wecom.api import Api
from assistant.channels.wecom.errors import Uncertain, Unreachable, WecomError, codes
from assistant.channels.wecom.leases import Leases
from assistant.channels.wecom.settings import BadSettings, load
from assistant.channels.wecom.tokens import Tokens
from assistant.channels.wecom.vault import Sealed, Vault
from knowledge.records.database import Database
from tests.wecom_kit import wecom_settings
from tests.wecom_server import AES_KEY, CORP, KFID, SECRETS, TOKEN, Clock, WecomServer


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def server(clock: Clock) -> Iterator[WecomServer]:
    made = WecomServer(clock)
    yield made
    made.close()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database(f"sqlite:///{tmp_path / 'heshi.db'}")
    yield made
    made.close()


Process = Callable[..., Api]


@pytest.fixture
def process(server: WecomServer, database: Database, tmp_path: Path, clock: Clock) -> Iterator[Process]:
    """Makes the API as a process of its own has it: nothing shared but the database and the key."""
    clients: list[httpx.Client] = []

    def pause(_: float) -> None:
        time.sleep(0.01)

    def make(url: str = server.url) -> Api:
        clients.append(httpx.Client(timeout=5))
        tokens = Tokens(database, Vault(tmp_path / "wecom.key"), Leases(database, clock), clock, pause)
        return Api(wecom_settings(url), clients[-1], tokens, clock.sleep)

    yield make
    for client in clients:
        client.close()


STATE = {"open_kfid": KFID, "external_userid": "wm1"}


def test_token_is_fetched_once_for_all_threads_and_processes(server: WecomServer, process: Process) -> None:
    """Twelve callers in three processes that start together get one token with one call."""
    apis = [process() for _ in range(3)]
    barrier = threading.Barrier(12)
    failed: list[BaseException] = []

    def call(api: Api) -> None:
        barrier.wait()
        try:
            api.call("kf", "kf/service_state/get", STATE)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=call, args=(apis[n % 3],)) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert server.world.token_calls == {"kf": 1}


@pytest.mark.parametrize("code", [40014, 42001])
def test_token_that_died_early_is_replaced_once(server: WecomServer, process: Process, code: int) -> None:
    """A refused token is fetched anew and the call made again; the other process learns of it from the database."""
    one, other = (process() for _ in range(2))
    for api in (one, other):
        api.call("kf", "kf/service_state/get", STATE)
    server.world.kill_tokens(code)
    for api in (one, other, one):
        api.call("kf", "kf/service_state/get", STATE)
    assert server.world.token_calls["kf"] == 2


def test_token_that_is_refused_twice_is_an_error(server: WecomServer, process: Process) -> None:
    """There is one retry, not an endless one."""
    server.world.fail("kf/service_state/get", 42001, 42001)
    with pytest.raises(WecomError, match="42001"):
        process().call("kf", "kf/service_state/get", STATE)


def test_token_is_fetched_again_before_it_expires(server: WecomServer, process: Process, clock: Clock) -> None:
    """After two hours there is another token, and no call went out with the old one."""
    api = process()
    api.call("kf", "kf/service_state/get", STATE)
    clock.now += 7_100
    api.call("kf", "kf/service_state/get", STATE)
    assert server.world.token_calls["kf"] == 2
    assert server.world.calls["kf/service_state/get"] == 2


def test_busy_is_tried_again_three_times(server: WecomServer, process: Process) -> None:
    """-1 three times is survived, a fourth time is an error."""
    api = process()
    server.world.fail("kf/service_state/get", -1, -1, -1)
    assert api.call("kf", "kf/service_state/get", STATE)["service_state"] == 0
    server.world.fail("kf/service_state/get", -1, -1, -1, -1)
    with pytest.raises(WecomError, match="-1"):
        api.call("kf", "kf/service_state/get", STATE)


def test_lost_answer_is_uncertain_and_a_closed_door_is_not(server: WecomServer, process: Process) -> None:
    """A call whose answer was lost may have worked; one that found nobody did not."""
    api = process()
    server.world.fail("kf/service_state/get", "lost")
    with pytest.raises(Uncertain):
        api.call("kf", "kf/service_state/get", STATE)
    with pytest.raises(Unreachable):
        process("http://127.0.0.1:9").call("app", "agent/get")


def test_no_secret_in_logs_errors_or_records(
    server: WecomServer, process: Process, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever goes wrong, neither secret, token nor key is said or kept in the clear."""
    caplog.set_level(logging.DEBUG)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    logging.getLogger("httpcore").setLevel(logging.WARNING)
    api = process()
    said = []
    for fault in (45009, 95018, "lost"):
        server.world.fail("kf/service_state/get", fault)
        with pytest.raises((WecomError, Uncertain)) as caught:
            api.call("kf", "kf/service_state/get", STATE)
        said.append(repr(caught.value) + str(caught.value) + repr(caught.value.__cause__))
    token = server.world.tokens["kf"][0]
    kept = (tmp_path / "heshi.db").read_bytes() + (tmp_path / "heshi.db-wal").read_bytes()
    settings = repr(wecom_settings(server.url))
    for secret in (*SECRETS.values(), token, TOKEN, AES_KEY):
        assert secret not in caplog.text
        assert secret not in "".join(said) + settings
        assert secret.encode() not in kept


def test_registered_errcodes_have_meaning_and_advice() -> None:
    """Each errcode says what follows, what it means and what to do."""
    actions = {"again", "token", "slow", "count", "late", "state", "duplicate", "settings", "permission", "gone"}
    for code, known in codes().items():
        assert known["action"] in actions, code
        assert known["zh"], code
        assert known["fix"], code
    assert {95001, 95018, 40014, 42001, 45009, -1} <= set(codes())
    assert WecomError(123456, "x").action == "refused"


# --- leases, vault, settings ---------------------------------------------------------------------------------------


def test_lease_has_one_holder_until_given_back_or_run_out(database: Database, clock: Clock) -> None:
    """Nobody else gets a lease before its time; a late give-back takes nothing from the next holder."""
    leases = Leases(database, clock)
    first = leases.take("a", 10)
    assert first is not None
    assert leases.take("a", 10) is None
    assert leases.take("b", 10) is not None
    clock.now += 11
    second = leases.take("a", 10)
    assert second is not None
    leases.give("a", first)
    assert leases.take("a", 10) is None
    leases.give("a", second)
    assert leases.take("a", 10) is not None


def test_lease_of_a_dead_process_is_inherited(
    database: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a kill nothing stands still until the lease runs out."""
    with monkeypatch.context() as before:
        before.setattr("assistant.channels.wecom.leases.PROCESS", "another00000")
        before.setattr("assistant.channels.wecom.leases.os.getpid", lambda: 2**22 + 7)
        assert Leases(database, clock).take("a", 1000) is not None
    assert Leases(database, clock).take("a", 1000) is not None


def test_vault_opens_only_its_own(tmp_path: Path) -> None:
    """What one key sealed another does not open; names are stable and belong to the key; nobody else reads the file."""
    one, other = Vault(tmp_path / "one.key"), Vault(tmp_path / "two.key")
    assert one.open(one.seal("机密")) == "机密"
    assert one.seal("") == one.open("") == ""
    assert Vault(tmp_path / "one.key").open(one.seal("x")) == "x"
    with pytest.raises(Sealed):
        other.open(one.seal("x"))
    assert one.name("a", "b") == one.name("a", "b") != other.name("a", "b")
    assert one.name("a", "b") != one.name("ab")
    assert (tmp_path / "one.key").stat().st_mode & 0o077 == 0


def test_settings_come_from_environment_and_file(tmp_path: Path) -> None:
    """The environment wins over the file; what is not known or malformed is said by name, never by value."""
    file = tmp_path / "wecom.yaml"
    file.write_text(f"corp_id: {CORP}\nkf_token: fromfile\nkf_aes_key: {AES_KEY}\n")
    found = load(tmp_path, {"WECOM_KF_TOKEN": "fromenv"})
    assert found.kf_on
    assert not found.app_on
    assert found.kf_token.get_secret_value() == "fromenv"
    assert not load(tmp_path / "empty", {}).on
    with pytest.raises(BadSettings, match="WECOM_KF_AES_KEY") as caught:
        load(tmp_path, {"WECOM_KF_AES_KEY": "tooshortsecret"})
    assert "tooshortsecret" not in str(caught.value)
    with pytest.raises(BadSettings, match="not a file"):
        load(tmp_path, {"WECOM_FILE": str(tmp_path / "none.yaml")})
    file.write_text("corp: x\n")
    with pytest.raises(BadSettings, match="unknown settings corp"):
        load(tmp_path, {})
    file.write_text("- x\n")
    with pytest.raises(BadSettings, match="names and values"):
        load(tmp_path, {})
    file.write_text("a: [\n")
    with pytest.raises(BadSettings, match="cannot be read"):
        load(tmp_path, {})
