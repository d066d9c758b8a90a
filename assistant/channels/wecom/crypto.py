"""Signature and encryption of WeCom callbacks.

Signature: SHA-1 over the sorted token, timestamp, nonce and ciphertext. Encryption: AES-256-CBC, IV = the key's first
16 bytes, PKCS7 to 32 bytes; the plaintext is 16 random bytes, the length of the message (4 bytes, big endian), the
message, the id of the receiver (corp id; empty for 智能机器人). Source: 企业微信 回调和回复的加解密方案 [S].
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import struct
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

BLOCK = 32
RANDOM = 16
KEY_CHARS = 43


class Rejected(Exception):
    """A callback that is not taken. `reason` is a closed word and holds nothing of what was sent."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Envelope:
    """Opens and seals the messages of one callback address."""

    token: str = field(repr=False)
    aes_key: str = field(repr=False)
    receiver: str

    def __post_init__(self) -> None:
        key_of(self.aes_key)

    def open(self, signature: str, timestamp: str, nonce: str, ciphertext: str) -> str:
        """The message in `ciphertext`, once its signature held. Raises Rejected."""
        expected = self.signature(timestamp, nonce, ciphertext)
        if not hmac.compare_digest(expected.encode(), signature.encode()):
            raise Rejected("signature")
        return self.decrypt(ciphertext)

    def signature(self, timestamp: str, nonce: str, ciphertext: str) -> str:
        """40 hexadecimal digits."""
        joined = "".join(sorted((self.token, timestamp, nonce, ciphertext)))
        return hashlib.sha1(joined.encode(), usedforsecurity=False).hexdigest()

    def encrypt(self, message: str) -> str:
        """Ciphertext in base64. A whole block of padding is added when the length is a multiple of 32 already."""
        content = message.encode()
        plain = os.urandom(RANDOM) + struct.pack(">I", len(content)) + content + self.receiver.encode()
        pad = BLOCK - len(plain) % BLOCK
        encryptor = self._cipher().encryptor()
        return base64.b64encode(encryptor.update(plain + bytes([pad]) * pad) + encryptor.finalize()).decode()

    def decrypt(self, ciphertext: str) -> str:
        """The message. Raises Rejected for what was not sealed for this receiver, to the last byte."""
        try:
            sealed = base64.b64decode(ciphertext, validate=True)
        except (binascii.Error, ValueError):
            raise Rejected("ciphertext") from None
        if not sealed or len(sealed) % BLOCK:
            raise Rejected("ciphertext")
        decryptor = self._cipher().decryptor()
        plain = decryptor.update(sealed) + decryptor.finalize()
        pad = plain[-1]
        if not 1 <= pad <= BLOCK or plain[-pad:] != bytes([pad]) * pad:
            raise Rejected("padding")
        return self._content(plain[RANDOM:-pad])

    def _content(self, plain: bytes) -> str:
        if len(plain) < 4:
            raise Rejected("length")
        (length,) = struct.unpack(">I", plain[:4])
        if length > len(plain) - 4:
            raise Rejected("length")
        if not hmac.compare_digest(plain[4 + length :], self.receiver.encode()):
            raise Rejected("receiver")
        try:
            return plain[4 : 4 + length].decode()
        except UnicodeDecodeError:
            raise Rejected("encoding") from None

    def _cipher(self) -> Cipher[modes.CBC]:
        key = key_of(self.aes_key)
        return Cipher(algorithms.AES(key), modes.CBC(key[:16]))


def key_of(aes_key: str) -> bytes:
    """The 32 bytes behind an EncodingAESKey of 43 characters. ValueError says what is wrong, without the key."""
    if len(aes_key) != KEY_CHARS:
        raise ValueError(f"EncodingAESKey must have {KEY_CHARS} characters, not {len(aes_key)}")
    try:
        key = base64.b64decode(aes_key + "=", validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("EncodingAESKey must consist of letters and digits as the console shows it") from None
    return key
