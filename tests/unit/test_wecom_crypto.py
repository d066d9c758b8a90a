"""Signatures and encryption against an independent other side, and bodies read without trusting them."""

from __future__ import annotations

import base64
import re

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given
from hypothesis import strategies as st
from wechatpy.enterprise.crypto import PrpCrypto, WeChatCrypto

from assistant.channels.wecom.crypto import Envelope, Rejected, key_of
from assistant.channels.wecom.parsing import json_fields, sealed_part, word, xml_fields
from tests.wecom_server import AES_KEY, CORP, TOKEN, echo_callback, signature_of, xml_callback

ENVELOPE = Envelope(TOKEN, AES_KEY, CORP)
ROBOT = Envelope(TOKEN, AES_KEY, "")
TEXTS = st.text(st.characters(exclude_categories=("Cs",)), max_size=300)


@given(TEXTS)
def test_what_the_other_side_seals_is_opened(text: str) -> None:
    """Messages sealed by wechatpy come out as they went in, whatever their length."""
    sealed = PrpCrypto(key_of(AES_KEY)).encrypt(text, CORP).decode()
    assert ENVELOPE.open(signature_of("1", "n", sealed), "1", "n", sealed) == text


@given(TEXTS)
def test_what_we_seal_the_other_side_opens(text: str) -> None:
    """Messages we seal come out at wechatpy, signature included, for a corp and for a robot without receiver."""
    for envelope in (ENVELOPE, ROBOT):
        sealed = envelope.encrypt(text)
        assert envelope.signature("1", "n", sealed) == signature_of("1", "n", sealed)
        assert PrpCrypto(key_of(AES_KEY)).decrypt(sealed, envelope.receiver) == text


def test_fault_missing_pad_on_block_multiple_length() -> None:
    """A message that fills its blocks gets a whole block of padding, so the other side does not discard it in silence;
    one that comes without is turned away, not dropped in silence."""
    filling = "x" * (64 - 16 - 4 - len(CORP))
    sealed = ENVELOPE.encrypt(filling)
    assert len(base64.b64decode(sealed)) == 96
    assert PrpCrypto(key_of(AES_KEY)).decrypt(sealed, CORP) == filling
    assert ENVELOPE.decrypt(sealed) == filling
    plain = b"r" * 16 + len(filling).to_bytes(4, "big") + filling.encode() + CORP.encode()
    with pytest.raises(Rejected, match="padding"):
        ENVELOPE.decrypt(_sealed(plain))


@pytest.mark.parametrize(
    ("plain", "reason"),
    [
        (b"r" * 16 + b"\xff\xff\xff\xff" + b"x" * 10 + b"\x02" * 2, "length"),
        (b"r" * 16 + b"\x00\x00\x00\x01x" + b"wwother" + b"\x04" * 4, "receiver"),
        (b"r" * 16 + b"\x00\x00\x00\x01x" + b"\x0b" * 11, "receiver"),
        (b"r" * 16 + b"\x00\x00\x00\x01x" + b"z" * 10 + b"\x00", "padding"),
        (b"r" * 16 + b"\x00\x00\x00\x01x" + b"z" * 10 + b"\x21", "padding"),
        (b"r" * 15 + b"\x11" * 16 + b"\x12", "padding"),
        (b"r" * 14 + b"\x12" * 18, "length"),
    ],
)
def test_plaintext_that_is_not_ours_is_rejected(plain: bytes, reason: str) -> None:
    """Lengths, padding and receiver are checked to the last byte."""
    with pytest.raises(Rejected, match=reason):
        ENVELOPE.decrypt(_sealed(plain))


def test_bytes_that_are_no_text_are_rejected() -> None:
    """A message that is not UTF-8 is turned away."""
    content = b"\xff\xfe"
    plain = b"r" * 16 + len(content).to_bytes(4, "big") + content + CORP.encode()
    pad = 32 - len(plain) % 32
    with pytest.raises(Rejected, match="encoding"):
        ENVELOPE.decrypt(_sealed(plain + bytes([pad]) * pad))


@pytest.mark.parametrize("sealed", ["", "!!!!", "YWJj", "A" * 43 + "="])
def test_ciphertext_that_is_none_is_rejected(sealed: str) -> None:
    """What is not base64 of whole blocks is turned away."""
    with pytest.raises(Rejected, match=r"ciphertext|padding|length|receiver"):
        ENVELOPE.decrypt(sealed)


def test_signature_is_checked_before_anything_else() -> None:
    """A wrong signature is turned away even when the ciphertext is nonsense."""
    with pytest.raises(Rejected, match="signature"):
        ENVELOPE.open("0" * 40, "1", "n", "nonsense")
    with pytest.raises(Rejected, match="signature"):
        ENVELOPE.open("签名", "1", "n", "nonsense")


def test_url_check_gives_the_plaintext() -> None:
    """The echo of a URL check comes out bare."""
    query = echo_callback("1616140317555161061", 1)
    found = ENVELOPE.open(query["msg_signature"], query["timestamp"], query["nonce"], query["echostr"])
    assert found == "1616140317555161061"


def test_secrets_do_not_show() -> None:
    """Neither token nor key stands in the repr of an envelope, nor a bad key in its error."""
    assert TOKEN not in repr(ENVELOPE)
    assert AES_KEY not in repr(ENVELOPE)
    with pytest.raises(ValueError, match="43 characters") as caught:
        key_of("geheim")
    assert "geheim" not in str(caught.value)
    with pytest.raises(ValueError, match="console"):
        key_of("-" * 43)


# --- bodies --------------------------------------------------------------------------------------------------------


def test_ciphertext_is_found_in_the_callback_of_the_other_side() -> None:
    """The sealed part of a body wechatpy made is what wechatpy signed."""
    query, body = xml_callback("<xml><A>1</A></xml>", 7)
    sealed = sealed_part(body.encode())
    assert signature_of(query["timestamp"], query["nonce"], sealed) == query["msg_signature"]
    assert sealed_part(b'{"encrypt": "QUJD\\/w=="}') == "QUJD/w=="


@pytest.mark.parametrize(
    "body", [b"", b"<xml></xml>", b"{}", b"<Encrypt>AA</Encrypt><Encrypt>BB</Encrypt>", b'{"encrypt": 3}', b"\x00\xff"]
)
def test_body_without_exactly_one_ciphertext_is_rejected(body: bytes) -> None:
    """None, two, or something else in its place: turned away."""
    with pytest.raises(Rejected, match="malformed"):
        sealed_part(body)


@pytest.mark.parametrize(
    "text",
    [
        '<!DOCTYPE x [<!ENTITY a "b">]><xml><A>&a;</A></xml>',
        '<!DOCTYPE x SYSTEM "file:///etc/passwd"><xml/>',
        '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><xml>&b;</xml>',
    ],
)
def test_entities_are_refused(text: str) -> None:
    """A document type, and with it any entity, is turned away before it expands."""
    with pytest.raises(Rejected, match="entities"):
        xml_fields(text)


@pytest.mark.parametrize(
    "text", ["", "<xml>", "text", "<a>" * 9 + "</a>" * 9, "<xml>" + "<a/>" * 300 + "</xml>", "&x;"]
)
def test_xml_that_is_broken_deep_or_long_is_refused(text: str) -> None:
    """Only small flat XML is read."""
    with pytest.raises(Rejected, match="malformed"):
        xml_fields(text)


def test_fields_are_read_by_name() -> None:
    """CDATA, nesting and numbers are read; what is missing is empty; of doubles the first counts."""
    fields = xml_fields("<xml><A><![CDATA[<b>&]]></A><N>3</N><I><X>y</X></I><A>second</A></xml>")
    assert word(fields, "A") == "<b>&"
    assert word(fields, "I", "X") == "y"
    assert word(fields, "I") == word(fields, "Z", "X") == ""
    assert word({"n": 7, "b": True}, "n") == "7"
    assert word({"b": True}, "b") == ""


@pytest.mark.parametrize("text", ["", "[]", "3", "{", '{"a":' * 100_000])
def test_json_that_is_no_object_is_refused(text: str) -> None:
    """Only a JSON object is read, however deep the rest."""
    with pytest.raises(Rejected, match="malformed"):
        json_fields(text)


def test_passive_answers_open_at_the_other_side() -> None:
    """What answers a callback is XML that wechatpy opens."""
    sealed = ENVELOPE.encrypt("<xml>好</xml>")
    body = f"<xml><Encrypt><![CDATA[{sealed}]]></Encrypt></xml>"
    crypto = WeChatCrypto(TOKEN, AES_KEY, CORP)
    assert crypto.decrypt_message(body, ENVELOPE.signature("5", "n", sealed), "5", "n") == "<xml>好</xml>"
    assert re.fullmatch(r"[0-9a-f]{40}", ENVELOPE.signature("5", "n", sealed))


def _sealed(plain: bytes) -> str:
    key = key_of(AES_KEY)
    encryptor = Cipher(algorithms.AES(key), modes.CBC(key[:16])).encryptor()
    return base64.b64encode(encryptor.update(plain) + encryptor.finalize()).decode()
