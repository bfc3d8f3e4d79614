"""Settings: one TOML file, one more per bank, read into frozen, typed values.

`load` reports every mistake at once with its file and line (SettingsError). What depends on the machine, and folders
that get in each other's way, are asked in readiness/, so that `status` still works while a disk is away. Relative
paths are relative to the file they stand in. Secrets are references, never values.
"""

from h2h.config.accounts import BankAccount
from h2h.config.alerts import Recipient
from h2h.config.bank import Bank, Retry
from h2h.config.channel import ChannelSettings, FolderSettings, SftpSettings
from h2h.config.files import (
    STAND_INS,
    DuplicateSettings,
    GatewaySettings,
    KeySettings,
    LedgerSettings,
    PeopleSettings,
    Profile,
    Reading,
    RetentionSettings,
    Settings,
    load,
    load_profile,
    read,
)
from h2h.config.folders import Inbound, Outbound
from h2h.config.pgp import KeyRow, OurKeyRow, PgpSettings, TheirKeyRow
from h2h.config.webhooks import Webhook

__all__ = [
    "STAND_INS",
    "Bank",
    "BankAccount",
    "ChannelSettings",
    "DuplicateSettings",
    "FolderSettings",
    "GatewaySettings",
    "Inbound",
    "KeyRow",
    "KeySettings",
    "LedgerSettings",
    "OurKeyRow",
    "Outbound",
    "PeopleSettings",
    "PgpSettings",
    "Profile",
    "Reading",
    "Recipient",
    "RetentionSettings",
    "Retry",
    "Settings",
    "SftpSettings",
    "TheirKeyRow",
    "Webhook",
    "load",
    "load_profile",
    "read",
]
