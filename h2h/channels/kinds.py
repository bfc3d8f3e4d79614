"""From the settings of a channel to an open session on it. A new kind of channel is one more case here.

Imports stand in the cases, so that a gateway with folders alone never loads the SSH library.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import assert_never

from h2h.channels import Channel
from h2h.config import FolderSettings, SftpSettings
from h2h.credentials import Credentials


def connect(
    settings: SftpSettings | FolderSettings,
    credentials: Credentials,
    *,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    used: Callable[[str], bool] = lambda _: False,
) -> Channel:
    """Open a session. `used`: whether files were made in a folder there before. Raises NotDelivered or Refused."""
    match settings:
        case SftpSettings():
            from h2h.channels.sftp import open_sftp

            reference = settings.key_passphrase
            passphrase = credentials.secret(reference) if reference else None
            return open_sftp(settings, passphrase=passphrase, now=now)
        case FolderSettings():
            from h2h.channels.folder import open_folder

            return open_folder(settings, now=now, used=used)
        case _:
            assert_never(settings)
