"""The ledger's migrations undone, the newest first, to try them on what was there before them."""

from __future__ import annotations

from tests.suites.test_ledger import sql

UNFINISHED = "state NOT IN ('INVALID','DUPLICATE','CANCELLED') AND duplicate_of IS NULL"
UNDO: dict[str, tuple[str, ...]] = {
    "0029": ("ALTER TABLE person DROP COLUMN proposed_at",),
    "0028": ("DROP TABLE person",),
    "0027": ("DROP TABLE environment",),
    "0026": ("DROP TABLE sequence_number",),
    "0025": ("DROP TABLE host_key", "DROP TABLE known_key"),
    "0024": tuple(f"ALTER TABLE transfer DROP COLUMN {name}" for name in ("makers", "approvals", "approved")),
    "0023": (
        "DROP INDEX ix_transfer_sealed_sha256",
        "DROP INDEX ix_message_opened_sha256",
        *(f"ALTER TABLE transfer DROP COLUMN {name}" for name in ("sealed_sha256", "sealed_size", "sealed_by")),
        *(f"ALTER TABLE message DROP COLUMN {name}" for name in ("opened_sha256", "opened_size", "signed_by")),
    ),
    "0022": (
        *(f"DROP INDEX ix_{table}_to_erase" for table in ("transfer", "message")),
        *(f"ALTER TABLE {table} DROP COLUMN {name}" for table, name in (
            ("transfer", "purged_at"), ("transfer", "erased_at"), ("message", "purged_at"), ("message", "erased_at"),
            ("statement", "essence"),
        )),
    ),
    "0021": ("DROP TABLE webhook_waiting", "DROP TABLE webhook"),
    "0020": ("DROP TABLE complete_day",),
    "0019": ("DROP TABLE telling", "DROP INDEX ix_alarm_ended_at"),
    "0018": ("ALTER TABLE transfer DROP COLUMN kinds",),
    "0017": ("DROP TABLE alarm", "DROP TABLE cut_off"),
    "0016": ("DROP INDEX ix_transfer_sent_at", "DROP INDEX ix_transfer_verdict"),
    "0015": (
        "DROP INDEX ix_entry_batch_payment_information_id",
        "DROP INDEX ix_message_message_id",
        *(statement for table, name in (
            ("payment", "instruction_id"), ("payment", "uetr"), ("payment", "booked_by"), ("payment", "execution_date"),
            ("entry", "told_in"), ("detail", "transaction_id"), ("detail", "account_servicer_reference"),
        ) for statement in (
            f"DROP INDEX ix_{table}_{name}", f"CREATE INDEX ix_{table}_{name} ON {table} ({name})",
        )),
    ),
    "0014": ("DROP INDEX ix_statement_named", "DROP INDEX ix_statement_last"),
    "0013": ("DROP TABLE feedback", "DROP TABLE feedback_seen"),
    "0012": ("DROP INDEX ix_statement_day",),
    "0011": ("ALTER TABLE attempt DROP COLUMN exclusive",),
    "0010": (
        "DROP TABLE booking",
        *(f"DROP INDEX ix_{name}" for name in (
            "transfer_of_message_id", "batch_debtor_account", "payment_amount", "payment_creditor_account",
            "payment_execution_date", "entry_account_servicer_reference", "entry_day", "entry_told_in",
            "detail_transaction_id", "detail_account_servicer_reference",
        )),
        *(f"ALTER TABLE {table} DROP COLUMN {name}" for table, name in (
            ("payment", "advised_by"), ("payment", "returned_by"), ("statement", "kind"), ("entry", "told_in"),
            ("entry", "day"), ("detail", "transaction_id"), ("detail", "account_servicer_reference"),
        )),
    ),
    "0009": (
        "DROP INDEX ix_transfer_original_sha256",
        *(f"ALTER TABLE transfer DROP COLUMN {name}" for name in ("original_sha256", "original_message")),
    ),
    "0008": (
        "DROP TABLE gap",
        "DROP INDEX ix_statement_chain",
        "DROP INDEX ix_statement_chain_currency",
        *(f"ALTER TABLE statement DROP COLUMN {name}" for name in ("chain", "day", "booked", "page_of_message")),
    ),
    "0007": tuple(f"ALTER TABLE attempt DROP COLUMN {name}" for name in ("way", "server", "host_keys", "made")),
    "0006": ("DROP TABLE lineage", "ALTER TABLE transfer DROP COLUMN repair_of"),
    "0005": (
        *(f"DROP INDEX ix_report_{name}" for name in (
            "original_message_id", "end_to_end_id", "instruction_id", "uetr")),
        *(f"ALTER TABLE report DROP COLUMN {name}" for name in ("amount", "said")),
    ),
    "0004": (
        *(f"DROP INDEX ix_{name}" for name in (
            "transfer_content_sha256", "transfer_message_id", "payment_fingerprint")),
        "DROP TABLE used_message_id",
        "ALTER TABLE transfer DROP COLUMN content_sha256",
        "ALTER TABLE payment DROP COLUMN fingerprint",
        f"CREATE UNIQUE INDEX uq_transfer_message_id ON transfer (bank, message_id) WHERE {UNFINISHED}",
    ),
}  # fmt: skip


def back_to(url: str, version: str, *also: str) -> None:
    """A ledger as this migration had left it; `also`: what else was different then."""
    newer = (statement for number, statements in UNDO.items() if number > version for statement in statements)
    sql(url, *newer, *also, f"UPDATE alembic_version SET version_num = '{version}'")
