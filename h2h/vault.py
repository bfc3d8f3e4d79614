"""Secrets in HashiCorp Vault: the newest version of one field of the KV engine, version 2.

What was had is kept for a minute, in memory alone, so that not each event that is signed is a question; what could not
be had is not asked for again right away, so that not each worker waits for a vault that hangs. The whole of a question
takes no longer than `timeout`, its answer is bounded, and no redirect is followed: it would carry the token away.
Neither what the vault says nor what the library makes of it is repeated; a status has words of ours.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from h2h.config.vault import VaultSettings
from h2h.errors import ChannelError, NotDelivered, Refused

if TYPE_CHECKING:
    import requests

T = TypeVar("T")
KEPT_SECONDS = 60.0
REST_SECONDS = 5.0  # after a question that was not answered
MAX_ANSWER = 1 << 20  # bytes
GOOD, ENDED, TOO_LARGE = 200, 403, 299
WORDS = {
    400: "it does not take role_id and secret_id, or knows no such place",
    401: "it does not take the token",
    403: "its policies do not allow it to who logs in there, or what we log in with has ended",
    TOO_LARGE: "it answers with more than any secret has",
    404: "there is no such secret, or its newest version was deleted; MOUNT/PATH is as in `vault kv get`",
    429: "it is asked too much",
    501: "it is not initialised",
    503: "it is sealed",
}
LASTING = (400, 401, 403, 404)  # to ask again is no use until somebody acts


class Vault:
    def __init__(
        self,
        settings: VaultSettings,
        secret: Callable[[str], str],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`secret`: what we log in with, from elsewhere."""
        self._settings, self._secret, self._monotonic = settings, secret, monotonic
        self._kept: dict[str, tuple[float, str]] = {}
        self._login: tuple[float, str] | None = None
        self._failed: tuple[float, str] | None = None

    def secret(self, name: str) -> str:
        """`name`: MOUNT/PATH#FIELD. Raises NotDelivered where it may be had later, else Refused."""
        now = self._monotonic()
        if name in self._kept and now < self._kept[name][0]:
            return self._kept[name][1]
        if self._failed and now < self._failed[0]:
            raise NotDelivered(self._failed[1])
        self._kept = {known: kept for known, kept in self._kept.items() if now < kept[0]}
        try:
            value = within(self._settings.timeout.total_seconds(), lambda: self._asked(name))
        except TimeoutError:
            raise self._down(f"it gave no whole answer within {self._settings.timeout.total_seconds():g} s") from None
        self._kept[name] = (self._monotonic() + KEPT_SECONDS, value)
        return value

    def _asked(self, name: str) -> str:
        import requests

        place, _, field = name.partition("#")
        try:
            answer = self._read(place)
            value = answer["data"]["data"][field]
        except _Answered as error:
            raise self._refusal(error.status, place) from None
        except requests.exceptions.SSLError as error:
            raise self._refused(_tls_words(error)) from None
        except (OSError, requests.exceptions.RequestException):
            raise self._down("it cannot be reached") from None
        except (LookupError, TypeError, ValueError):
            raise self._refused(f"{place} has no field {field}, or is not of the KV engine, version 2") from None
        if not isinstance(value, str):
            raise self._refused(f"{name} is not text")
        return value

    def _read(self, place: str) -> Any:
        """What it says; after another login, where one of before has ended."""
        mount, _, path = place.partition("/")
        while True:
            token, fresh = self._token()
            try:
                return self._client(token).secrets.kv.v2.read_secret_version(
                    path, mount_point=mount, raise_on_deleted_version=True
                )
            except _Answered as error:
                if fresh or error.status != ENDED:
                    raise
                self._login = None

    def _token(self) -> tuple[str, bool]:
        """And whether it was had just now."""
        settings = self._settings
        if settings.token is not None:
            return self._secret(settings.token), True
        if self._login and self._monotonic() < self._login[0]:
            return self._login[1], False
        assert settings.role_id
        assert settings.secret_id
        login = self._client("").auth.approle.login
        said = login(self._secret(settings.role_id), self._secret(settings.secret_id))["auth"]
        token = str(said["client_token"])
        self._login = (self._monotonic() + float(said["lease_duration"]) / 2, token)
        return token, True

    def _client(self, token: str) -> Any:
        import hvac

        settings = self._settings
        return hvac.Client(
            settings.address,
            token=token,
            cert=(),
            namespace=settings.namespace,
            timeout=2 * settings.timeout.total_seconds(),  # `within` gives up first, in words of ours
            allow_redirects=False,
            session=_session(_certificates(settings)),
        )

    def _refusal(self, status: int, place: str) -> ChannelError:
        text = WORDS.get(status, f"it answers with status {status}")
        if 300 <= status < 400:
            text = "it points to another server; redirects are not followed: address has to name the right one"
        if status in LASTING or 200 <= status < 400:
            return self._refused(f"{place}: {text}")
        return self._down(text)

    def _refused(self, text: str) -> Refused:
        return Refused(f"The vault at {self._settings.address} does not give the secret: {text}.")

    def _down(self, text: str) -> NotDelivered:
        text = f"The vault at {self._settings.address} does not give the secret for now: {text}."
        self._failed = (self._monotonic() + REST_SECONDS, text)
        return NotDelivered(text)


def within(seconds: float, work: Callable[[], T]) -> T:
    """What it returns or raises; TimeoutError where it takes longer, and is left to itself."""
    done: list[T] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            done.append(work())
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=run, name="secret", daemon=True)
    thread.start()
    thread.join(seconds)
    if failed:
        raise failed[0]
    if not done:
        raise TimeoutError
    return done[0]


class _Answered(Exception):
    def __init__(self, status: int) -> None:
        self.status = status


def _session(verify: str | bool) -> requests.Session:
    """Nothing of the environment (proxies, ~/.netrc, other certificates), and no answer without end."""
    import requests
    from requests.adapters import HTTPAdapter

    class Bounded(HTTPAdapter):
        def send(self, request: Any, *_: Any, **options: Any) -> requests.Response:
            response = super().send(request, **{**options, "stream": True})
            with response:
                if response.status_code != GOOD:
                    raise _Answered(response.status_code)
                content = _whole(response.raw)
            if len(content) > MAX_ANSWER:
                raise _Answered(TOO_LARGE)
            response._content = content
            return response

    session = requests.Session()
    session.trust_env, session.verify = False, verify
    session.headers["Accept-Encoding"] = "identity"
    for scheme in ("http://", "https://"):
        session.mount(scheme, Bounded())
    return session


def _whole(body: Any) -> bytes:
    """All of it, or more than any secret has. ConnectionError where it was cut: half an answer says nothing."""
    from requests.exceptions import ConnectionError as Cut
    from urllib3.exceptions import HTTPError

    try:
        content: bytes = body.read(MAX_ANSWER + 1)
        body.read(1)  # only who reads on is told of an end that came too early
        return content
    except HTTPError as error:
        raise Cut(error) from error


def _certificates(settings: VaultSettings) -> str | bool:
    """Those that the settings name, or the system's. Raises Refused."""
    import ssl  # here, as few gateways ask a vault

    if settings.ca is None:
        known = ssl.get_default_verify_paths()
        return known.cafile or known.capath or True
    try:
        ssl.create_default_context(cafile=settings.ca)
    except (OSError, ssl.SSLError):
        raise Refused(f"The certificates in {settings.ca} cannot be read.") from None
    return str(settings.ca)


def _tls_words(error: Exception) -> str:
    import ssl

    cause: Any = error
    for _ in range(5):  # the library wraps it several times
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"it shows a certificate that does not hold ({cause.verify_message})"
        cause = getattr(cause, "reason", None) or (cause.args or (None,))[0]
        if not isinstance(cause, Exception):
            break
    return "it does not come to terms over TLS"
