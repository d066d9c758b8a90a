"""Customers by a signed token of the broker's own app: compact JWS, HS256 or EdDSA, one algorithm per key.

The token says who the customer is ("sub") and until when ("exp"); all else comes from the records. Keys come from a
file or the environment, never from a token: what a header names is looked up, and its algorithm must be that key's.
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
import json
import math
import time
from base64 import urlsafe_b64decode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeGuard

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

LONGEST = 4096
LEEWAY_S = 30
SHORTEST_SECRET = 32


class BadToken(Exception):
    """A token that proves nothing. The message never holds the token."""


class BadKeys(ValueError):
    """The keys of the host app cannot be used; the message says what to do."""


@dataclass(frozen=True, slots=True)
class TokenKey:
    """One key of the host app. `secret` for HS256, `public` for EdDSA."""

    id: str
    algorithm: Literal["HS256", "EdDSA"]
    secret: bytes = b""
    public: Ed25519PublicKey | None = None


@dataclass(frozen=True, slots=True)
class CustomerTokens:
    """Reads tokens. `audience` must be named by the token when it is set; `longest_s` bounds how long one may last."""

    keys: Mapping[str, TokenKey]
    audience: str | None = "heshi"
    longest_s: float = 3600
    clock: Callable[[], float] = time.time

    def customer(self, token: str) -> str:
        """The customer's id. Raises BadToken."""
        if len(token) > LONGEST or token.count(".") != 2:
            raise BadToken("not a token")
        signed, _, signature = token.rpartition(".")
        head, _, payload = signed.partition(".")
        header, claims = _object(head), _object(payload)
        key = self._key(header)
        if not _signed(key, signed.encode(), _bytes(signature)):
            raise BadToken("signature does not fit")
        return self._subject(claims)

    def _key(self, header: Mapping[str, Any]) -> TokenKey:
        named = header.get("kid")
        key = self.keys.get(named) if isinstance(named, str) else None
        if key is None and named is None and len(self.keys) == 1:
            key = next(iter(self.keys.values()))
        if key is None or header.get("alg") != key.algorithm or "crit" in header:
            raise BadToken("key or algorithm is not ours")
        return key

    def _subject(self, claims: Mapping[str, Any]) -> str:
        moment, ends, begins = self.clock(), claims.get("exp"), claims.get("nbf", claims.get("iat", 0))
        if not _number(ends) or not _number(begins):
            raise BadToken("exp is missing")
        if moment > ends + LEEWAY_S:
            raise BadToken("expired")
        if begins > moment + LEEWAY_S or ends - max(begins, moment - self.longest_s) > self.longest_s + LEEWAY_S:
            raise BadToken("not valid yet, or valid too long")
        named = claims.get("aud")
        audiences = named if isinstance(named, list) else [named]
        if self.audience is not None and self.audience not in audiences:
            raise BadToken("meant for another service")
        subject = claims.get("sub")
        if not isinstance(subject, str) or not 0 < len(subject) <= 100:
            raise BadToken("sub is missing")
        return subject


def keys_from(text: str) -> dict[str, TokenKey]:
    """Keys from JSON: [{"id", "algorithm": "HS256", "secret"} | {"id", "algorithm": "EdDSA", "public": hex}].
    Raises BadKeys."""
    try:
        given = json.loads(text)
        return {one.id: one for one in map(_key, given if isinstance(given, list) else [given])}
    except (ValueError, KeyError, TypeError) as error:
        if isinstance(error, BadKeys):
            raise
        raise BadKeys('HESHI_CUSTOMER_KEYS 须为 JSON：[{"id", "algorithm", "secret" 或 "public"}]') from None


def load_keys(given: str | None) -> dict[str, TokenKey]:
    """Keys from the setting: the JSON itself, or the path of a file that holds it. Raises BadKeys."""
    if not given:
        return {}
    if given.lstrip().startswith(("[", "{")):
        return keys_from(given)
    try:
        return keys_from(Path(given).read_text("utf-8"))
    except OSError as error:
        raise BadKeys(f"读不到客户令牌的密钥文件：{error.strerror}") from None


def _key(one: Mapping[str, Any]) -> TokenKey:
    if one["algorithm"] == "HS256":
        secret = str(one["secret"]).encode()
        if len(secret) < SHORTEST_SECRET:
            raise BadKeys(f"HS256 的 secret 至少 {SHORTEST_SECRET} 字节")
        return TokenKey(str(one["id"]), "HS256", secret=secret)
    if one["algorithm"] == "EdDSA":
        return TokenKey(
            str(one["id"]), "EdDSA", public=Ed25519PublicKey.from_public_bytes(bytes.fromhex(one["public"]))
        )
    raise BadKeys("algorithm 只能是 HS256 或 EdDSA")


def _signed(key: TokenKey, message: bytes, signature: bytes) -> bool:
    if key.public is None:
        return hmac.compare_digest(hmac.new(key.secret, message, hashlib.sha256).digest(), signature)
    try:
        key.public.verify(signature, message)
    except InvalidSignature:
        return False
    return True


def _bytes(part: str) -> bytes:
    try:
        return urlsafe_b64decode(part.encode("ascii") + b"=" * (-len(part) % 4))
    except (binascii.Error, UnicodeEncodeError, ValueError):
        raise BadToken("not a token") from None


def _object(part: str) -> Mapping[str, Any]:
    try:
        value = json.loads(_bytes(part))
    except (ValueError, RecursionError):
        raise BadToken("not a token") from None
    if not isinstance(value, dict):
        raise BadToken("not a token")
    return value


def _number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
