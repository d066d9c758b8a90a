"""Customers' tokens: what proves who a customer is, and everything that does not."""

from __future__ import annotations

import hashlib
import hmac
import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from assistant.ledger.keys import public_hex
from assistant.people.tokens import BadKeys, BadToken, CustomerTokens, keys_from, load_keys

NOW = 1_795_000_000.0
SECRET = "s" * 40
PRIVATE = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
KEYS = keys_from(
    json.dumps(
        [
            {"id": "h", "algorithm": "HS256", "secret": SECRET},
            {"id": "e", "algorithm": "EdDSA", "public": public_hex(PRIVATE.public_key())},
        ]
    )
)
TOKENS = CustomerTokens(KEYS, clock=lambda: NOW)
CLAIMS = {"sub": "k-1001", "aud": "heshi", "iat": NOW - 10, "exp": NOW + 600}


def part(value: Any) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def token(header: Mapping[str, Any], claims: Mapping[str, Any], secret: str = SECRET) -> str:
    signed = f"{part(header)}.{part(claims)}"
    if header.get("alg") == "EdDSA":
        return f"{signed}.{part(PRIVATE.sign(signed.encode()))}"
    return f"{signed}.{part(hmac.new(secret.encode(), signed.encode(), hashlib.sha256).digest())}"


HS, ED = {"alg": "HS256", "kid": "h", "typ": "JWT"}, {"alg": "EdDSA", "kid": "e"}


@pytest.mark.parametrize("header", [HS, ED])
def test_a_good_token_names_the_customer(header: dict[str, str]) -> None:
    """Signed with a known key, meant for us, not expired: the customer is who it says."""
    assert TOKENS.customer(token(header, CLAIMS)) == "k-1001"


@pytest.mark.parametrize(
    ("header", "claims", "secret"),
    [
        (HS, CLAIMS, "t" * 40),
        ({"alg": "none", "kid": "h"}, CLAIMS, SECRET),
        ({"alg": "HS512", "kid": "h"}, CLAIMS, SECRET),
        ({"alg": "HS256", "kid": "x"}, CLAIMS, SECRET),
        ({"alg": "HS256"}, CLAIMS, SECRET),
        ({"alg": "HS256", "kid": ["h"]}, CLAIMS, SECRET),
        ({"alg": "HS256", "kid": "e"}, CLAIMS, public_hex(PRIVATE.public_key())),
        (HS | {"crit": ["b64"]}, CLAIMS, SECRET),
        (HS, CLAIMS | {"exp": NOW - 60}, SECRET),
        (HS, CLAIMS | {"exp": None}, SECRET),
        (HS, CLAIMS | {"exp": float("nan")}, SECRET),
        (HS, CLAIMS | {"exp": float("inf")}, SECRET),
        (HS, CLAIMS | {"exp": True}, SECRET),
        (HS, CLAIMS | {"exp": NOW + 86_400}, SECRET),
        (HS, CLAIMS | {"nbf": NOW + 100}, SECRET),
        (HS, CLAIMS | {"aud": "bank"}, SECRET),
        (HS, {name: value for name, value in CLAIMS.items() if name != "aud"}, SECRET),
        (HS, CLAIMS | {"sub": ""}, SECRET),
        (HS, CLAIMS | {"sub": 7}, SECRET),
        (HS, CLAIMS | {"sub": "x" * 101}, SECRET),
    ],
)
def test_what_proves_nothing(header: dict[str, Any], claims: dict[str, Any], secret: str) -> None:
    """Another key, another algorithm, the public key used as a secret, expired, endless, or meant for somebody else."""
    with pytest.raises(BadToken):
        TOKENS.customer(token(header, claims, secret))


def test_changed_claims_do_not_pass() -> None:
    """A token whose middle was exchanged is refused."""
    head, _, signature = token(HS, CLAIMS).split(".")
    with pytest.raises(BadToken):
        TOKENS.customer(f"{head}.{part(CLAIMS | {'sub': 'k-2'})}.{signature}")


@given(st.text(max_size=200))
def test_anything_else_is_refused(text: str) -> None:
    """Whatever comes as a token is read or refused, never an error of another kind."""
    with pytest.raises(BadToken):
        TOKENS.customer(text)


def test_keys_from_a_file(tmp_path: Path) -> None:
    """Keys may stand in a file; nothing given means no keys."""
    file = tmp_path / "keys.json"
    file.write_text(json.dumps({"id": "h", "algorithm": "HS256", "secret": SECRET}))
    assert set(load_keys(str(file))) == {"h"}
    assert load_keys(None) == {}


@pytest.mark.parametrize("text", ["[1]", "{}", '{"id":"h","algorithm":"HS256","secret":"short"}', "nowhere.json"])
def test_keys_that_cannot_be_used(text: str) -> None:
    """Keys that are too short, incomplete or not there are refused with what to do, and never shown."""
    with pytest.raises(BadKeys) as refused:
        load_keys(text)
    assert "short" not in str(refused.value)
