"""Time stamps (RFC 3161): a third party signs that a head of the journal existed at its time.

The server's answer is kept as it came, and verified against the certificates that the settings name.
"""

from __future__ import annotations

import urllib.error
import urllib.request
from datetime import datetime
from pathlib import Path

from cryptography.x509 import Certificate, load_pem_x509_certificates
from rfc3161_client import (
    HashAlgorithm,
    TimestampRequestBuilder,
    TimeStampResponse,
    VerificationError,
    VerifierBuilder,
    decode_timestamp_response,
)

from h2h.errors import StoreError
from h2h.ledger.journal import Anchor, words_of

TIMEOUT_SECONDS = 15
MOST_BYTES = 1_000_000  # of an answer


class TimeStamps:
    def __init__(self, url: str, certificates: Path) -> None:
        """`certificates`: PEM, the roots (and what lies between) that the server's signature has to lead to."""
        self.url = url
        self._file = certificates

    def stamp(self, head: Anchor) -> bytes:
        """The server's answer on this head, verified; StoreError where there is none that holds."""
        request = (
            TimestampRequestBuilder()
            .data(words_of(head))
            .hash_algorithm(HashAlgorithm.SHA256)
            .nonce(nonce=True)
            .build()
        )
        answer = self._ask(request.as_bytes())
        if fault := self.fault(head, answer, nonce=request.nonce):
            raise StoreError(f"The answer of the time stamp server {self.url} is of no use: {fault}.")
        return answer

    def fault(self, head: Anchor, answer: bytes, *, nonce: int | None = None) -> str | None:
        """Why the answer does not prove the head; None where it does."""
        roots = self._certificates()
        try:
            response: TimeStampResponse = decode_timestamp_response(answer)
            builder = VerifierBuilder(roots=roots, nonce=nonce)
            builder.build().verify_message(response, words_of(head))
        except (VerificationError, ValueError) as error:
            return str(error).rstrip(".") or type(error).__name__
        return None

    def certificates_end(self) -> datetime:
        """When the first of the certificates ends; StoreError where they cannot be read."""
        return min(certificate.not_valid_after_utc for certificate in self._certificates())

    def _ask(self, request: bytes) -> bytes:
        headers = {"Content-Type": "application/timestamp-query", "User-Agent": "h2h"}
        asked = urllib.request.Request(self.url, data=request, headers=headers)  # noqa: S310 (the settings allow http)
        try:
            with urllib.request.urlopen(asked, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310
                found: bytes = answer.read(MOST_BYTES)
        except (OSError, ValueError, urllib.error.URLError) as error:
            raise StoreError(f"The time stamp server {self.url} cannot be asked: {error}.") from error
        return found

    def _certificates(self) -> list[Certificate]:
        try:
            return load_pem_x509_certificates(self._file.read_bytes())
        except (OSError, ValueError) as error:
            raise StoreError(f"The certificates of the time stamp server in {self._file} cannot be read.") from error
