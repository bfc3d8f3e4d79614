"""The first tables. Events can be added only: triggers refuse to change or delete one."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    for make in (
        _contact,
        _event,
        _finding,
        _message,
        _slot,
        _transfer,
        _attempt,
        _batch,
        _remote_name,
        _report,
        _statement,
        _entry,
        _detail,
        _payment,
    ):
        make()
    _guard_events()


def _contact() -> None:
    op.create_table(
        "contact",
        sa.Column("bank", sa.String(length=40), nullable=False),
        sa.Column("last_good_at", sa.String(length=27), nullable=True),
        sa.Column("last_failed_at", sa.String(length=27), nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("error_class", sa.String(length=20), nullable=True),
        sa.Column("text", sa.Text(), nullable=True),
        sa.Column("suspended_until", sa.String(length=27), nullable=True),
        sa.PrimaryKeyConstraint("bank", name=op.f("pk_contact")),
    )


def _event() -> None:
    op.create_table(
        "event",
        sa.Column("seq", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", sa.String(length=27), nullable=False),
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("actor", sa.String(length=128), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.Column("previous", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_event")),
        sa.UniqueConstraint("hash", name=op.f("uq_event_hash")),
    )
    with op.batch_alter_table("event", schema=None) as batch_op:
        batch_op.create_index("ix_event_subject", ["subject", "seq"], unique=False)


def _finding() -> None:
    op.create_table(
        "finding",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("subject", sa.String(length=32), nullable=False),
        sa.Column("code", sa.String(length=40), nullable=False),
        sa.Column("severity", sa.String(length=10), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("line", sa.Integer(), nullable=True),
        sa.Column("text", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_finding")),
    )
    with op.batch_alter_table("finding", schema=None) as batch_op:
        batch_op.create_index("ix_finding_subject", ["subject"], unique=False)


def _message() -> None:
    op.create_table(
        "message",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("bank", sa.String(length=40), nullable=False),
        sa.Column("folder", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("modified", sa.BigInteger(), nullable=True),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("fetched_at", sa.String(length=27), nullable=False),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("message_id", sa.Text(), nullable=True),
        sa.Column("same_as", sa.String(length=32), nullable=True),
        sa.Column("discarded_at", sa.String(length=27), nullable=True),
        sa.Column("handed_over_at", sa.String(length=27), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_message")),
    )
    with op.batch_alter_table("message", schema=None) as batch_op:
        batch_op.create_index("ix_message_fetched_at", ["fetched_at"], unique=False)
        batch_op.create_index("ix_message_seen", ["bank", "folder", "name"], unique=False)
        batch_op.create_index("ix_message_sha256", ["sha256"], unique=False)
        batch_op.create_index("ix_message_state", ["state"], unique=False)
        batch_op.create_index(
            "ix_message_not_handed_over",
            ["bank"],
            unique=False,
            sqlite_where=sa.text("handed_over_at IS NULL"),
            postgresql_where=sa.text("handed_over_at IS NULL"),
        )


def _slot() -> None:
    op.create_table(
        "slot",
        sa.Column("schedule", sa.Text(), nullable=False),
        sa.Column("slot", sa.String(length=40), nullable=False),
        sa.Column("at", sa.String(length=27), nullable=False),
        sa.PrimaryKeyConstraint("schedule", "slot", name=op.f("pk_slot")),
    )


def _transfer() -> None:
    op.create_table(
        "transfer",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("bank", sa.String(length=40), nullable=False),
        sa.Column("watch", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("verdict", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("received_at", sa.String(length=27), nullable=False),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("message_id", sa.Text(), nullable=True),
        sa.Column("payments", sa.Integer(), nullable=True),
        sa.Column("control_sum", sa.Text(), nullable=True),
        sa.Column("currencies", sa.Text(), nullable=True),
        sa.Column("execution_date", sa.Text(), nullable=True),
        sa.Column("duplicate_of", sa.String(length=32), nullable=True),
        sa.Column("due_at", sa.String(length=27), nullable=True),
        sa.Column("remote", sa.Text(), nullable=True),
        sa.Column("temporary", sa.Text(), nullable=True),
        sa.Column("sent_at", sa.String(length=27), nullable=True),
        sa.Column("answered_at", sa.String(length=27), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("late_allowed", sa.String(length=8), nullable=True),
        sa.Column("proposed_by", sa.String(length=128), nullable=True),
        sa.Column("owner", sa.String(length=128), nullable=True),
        sa.Column("lease_until", sa.String(length=27), nullable=True),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_transfer")),
    )
    with op.batch_alter_table("transfer", schema=None) as batch_op:
        batch_op.create_index("ix_transfer_due", ["bank", "state", "due_at"], unique=False)
        batch_op.create_index("ix_transfer_received_at", ["received_at"], unique=False)
        batch_op.create_index("ix_transfer_sha256", ["sha256"], unique=False)
        batch_op.create_index("ix_transfer_state", ["state"], unique=False)
        batch_op.create_index(
            "uq_transfer_message_id",
            ["bank", "message_id"],
            unique=True,
            sqlite_where=sa.text("state NOT IN ('INVALID','DUPLICATE','CANCELLED') AND duplicate_of IS NULL"),
            postgresql_where=sa.text("state NOT IN ('INVALID','DUPLICATE','CANCELLED') AND duplicate_of IS NULL"),
        )


def _attempt() -> None:
    op.create_table(
        "attempt",
        sa.Column("transfer_id", sa.String(length=32), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.String(length=27), nullable=False),
        sa.Column("ended_at", sa.String(length=27), nullable=True),
        sa.Column("temporary", sa.Text(), nullable=False),
        sa.Column("remote", sa.Text(), nullable=False),
        sa.Column("step", sa.String(length=16), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=True),
        sa.Column("text", sa.Text(), nullable=True),
        sa.Column("next_at", sa.String(length=27), nullable=True),
        sa.ForeignKeyConstraint(["transfer_id"], ["transfer.id"], name=op.f("fk_attempt_transfer_id")),
        sa.PrimaryKeyConstraint("transfer_id", "number", name=op.f("pk_attempt")),
    )
    with op.batch_alter_table("attempt", schema=None) as batch_op:
        batch_op.create_index(
            "uq_attempt_open",
            ["transfer_id"],
            unique=True,
            sqlite_where=sa.text("ended_at IS NULL"),
            postgresql_where=sa.text("ended_at IS NULL"),
        )


def _batch() -> None:
    op.create_table(
        "batch",
        sa.Column("transfer_id", sa.String(length=32), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("payment_information_id", sa.Text(), nullable=True),
        sa.Column("payment_method", sa.Text(), nullable=True),
        sa.Column("batch_booking", sa.Boolean(), nullable=True),
        sa.Column("payments", sa.Integer(), nullable=False),
        sa.Column("amount", sa.Text(), nullable=True),
        sa.Column("execution_date", sa.Text(), nullable=True),
        sa.Column("debtor_name", sa.Text(), nullable=True),
        sa.Column("debtor_account", sa.Text(), nullable=True),
        sa.Column("debtor_agent", sa.Text(), nullable=True),
        sa.Column("verdict", sa.String(length=16), nullable=False),
        sa.Column("status", sa.Text(), nullable=True),
        sa.Column("reasons", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["transfer_id"], ["transfer.id"], name=op.f("fk_batch_transfer_id")),
        sa.PrimaryKeyConstraint("transfer_id", "position", name=op.f("pk_batch")),
    )
    with op.batch_alter_table("batch", schema=None) as batch_op:
        batch_op.create_index("ix_batch_payment_information_id", ["payment_information_id"], unique=False)


def _remote_name() -> None:
    op.create_table(
        "remote_name",
        sa.Column("bank", sa.String(length=40), nullable=False),
        sa.Column("path", sa.String(length=1000), nullable=False),
        sa.Column("transfer_id", sa.String(length=32), nullable=False),
        sa.Column("published", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["transfer_id"], ["transfer.id"], name=op.f("fk_remote_name_transfer_id")),
        sa.PrimaryKeyConstraint("bank", "path", name=op.f("pk_remote_name")),
    )


def _report() -> None:
    op.create_table(
        "report",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("message_id", sa.String(length=32), nullable=False),
        sa.Column("transfer_id", sa.String(length=32), nullable=True),
        sa.Column("level", sa.String(length=10), nullable=False),
        sa.Column("batch", sa.Integer(), nullable=True),
        sa.Column("payment", sa.Integer(), nullable=True),
        sa.Column("original_message_id", sa.Text(), nullable=True),
        sa.Column("payment_information_id", sa.Text(), nullable=True),
        sa.Column("instruction_id", sa.Text(), nullable=True),
        sa.Column("end_to_end_id", sa.Text(), nullable=True),
        sa.Column("uetr", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=True),
        sa.Column("reasons", sa.Text(), nullable=True),
        sa.Column("effect", sa.String(length=10), nullable=False),
        sa.ForeignKeyConstraint(["message_id"], ["message.id"], name=op.f("fk_report_message_id")),
        sa.ForeignKeyConstraint(["transfer_id"], ["transfer.id"], name=op.f("fk_report_transfer_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_report")),
    )
    with op.batch_alter_table("report", schema=None) as batch_op:
        batch_op.create_index("ix_report_message_id", ["message_id"], unique=False)
        batch_op.create_index("ix_report_transfer_id", ["transfer_id", "batch", "payment"], unique=False)


def _statement() -> None:
    op.create_table(
        "statement",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("message_id", sa.String(length=32), nullable=False),
        sa.Column("bank", sa.String(length=40), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("statement_id", sa.Text(), nullable=True),
        sa.Column("account", sa.Text(), nullable=True),
        sa.Column("currency", sa.Text(), nullable=True),
        sa.Column("electronic_sequence_number", sa.Text(), nullable=True),
        sa.Column("legal_sequence_number", sa.Text(), nullable=True),
        sa.Column("page_number", sa.Text(), nullable=True),
        sa.Column("last_page", sa.Boolean(), nullable=True),
        sa.Column("created_at", sa.Text(), nullable=True),
        sa.Column("period_from", sa.Text(), nullable=True),
        sa.Column("period_to", sa.Text(), nullable=True),
        sa.Column("opening", sa.Text(), nullable=True),
        sa.Column("closing", sa.Text(), nullable=True),
        sa.Column("closing_date", sa.Text(), nullable=True),
        sa.Column("entries", sa.Integer(), nullable=False),
        sa.Column("matched", sa.Integer(), nullable=False),
        sa.Column("reconciles", sa.Boolean(), nullable=True),
        sa.Column("record", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["message_id"], ["message.id"], name=op.f("fk_statement_message_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_statement")),
        sa.UniqueConstraint("message_id", "position", name=op.f("uq_statement_message_id_position")),
    )
    with op.batch_alter_table("statement", schema=None) as batch_op:
        batch_op.create_index("ix_statement_account", ["account", "closing_date"], unique=False)


def _entry() -> None:
    op.create_table(
        "entry",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("statement_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("amount", sa.Text(), nullable=True),
        sa.Column("currency", sa.Text(), nullable=True),
        sa.Column("direction", sa.Text(), nullable=True),
        sa.Column("reversal", sa.Boolean(), nullable=True),
        sa.Column("status", sa.Text(), nullable=True),
        sa.Column("booking_date", sa.Text(), nullable=True),
        sa.Column("value_date", sa.Text(), nullable=True),
        sa.Column("reference", sa.Text(), nullable=True),
        sa.Column("account_servicer_reference", sa.Text(), nullable=True),
        sa.Column("batch_payment_information_id", sa.Text(), nullable=True),
        sa.Column("record", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["statement_id"], ["statement.id"], name=op.f("fk_entry_statement_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_entry")),
    )
    with op.batch_alter_table("entry", schema=None) as batch_op:
        batch_op.create_index("ix_entry_statement_id", ["statement_id"], unique=False)


def _detail() -> None:
    op.create_table(
        "detail",
        sa.Column("entry_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("end_to_end_id", sa.Text(), nullable=True),
        sa.Column("instruction_id", sa.Text(), nullable=True),
        sa.Column("payment_information_id", sa.Text(), nullable=True),
        sa.Column("uetr", sa.Text(), nullable=True),
        sa.Column("amount", sa.Text(), nullable=True),
        sa.Column("currency", sa.Text(), nullable=True),
        sa.Column("direction", sa.Text(), nullable=True),
        sa.Column("transfer_id", sa.String(length=32), nullable=True),
        sa.Column("payment", sa.Integer(), nullable=True),
        sa.Column("record", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["entry_id"], ["entry.id"], name=op.f("fk_detail_entry_id")),
        sa.PrimaryKeyConstraint("entry_id", "position", name=op.f("pk_detail")),
    )
    with op.batch_alter_table("detail", schema=None) as batch_op:
        batch_op.create_index("ix_detail_end_to_end_id", ["end_to_end_id"], unique=False)


def _payment() -> None:
    op.create_table(
        "payment",
        sa.Column("transfer_id", sa.String(length=32), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("batch", sa.Integer(), nullable=False),
        sa.Column("instruction_id", sa.Text(), nullable=True),
        sa.Column("end_to_end_id", sa.Text(), nullable=True),
        sa.Column("uetr", sa.Text(), nullable=True),
        sa.Column("amount", sa.Text(), nullable=True),
        sa.Column("currency", sa.Text(), nullable=True),
        sa.Column("creditor_name", sa.Text(), nullable=True),
        sa.Column("creditor_account", sa.Text(), nullable=True),
        sa.Column("creditor_agent", sa.Text(), nullable=True),
        sa.Column("execution_date", sa.Text(), nullable=True),
        sa.Column("remittance", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=True),
        sa.Column("reasons", sa.Text(), nullable=True),
        sa.Column("status_at", sa.String(length=27), nullable=True),
        sa.Column("booked_by", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["booked_by"], ["entry.id"], name=op.f("fk_payment_booked_by")),
        sa.ForeignKeyConstraint(
            ["transfer_id", "batch"], ["batch.transfer_id", "batch.position"], name="fk_payment_batch"
        ),
        sa.ForeignKeyConstraint(["transfer_id"], ["transfer.id"], name=op.f("fk_payment_transfer_id")),
        sa.PrimaryKeyConstraint("transfer_id", "position", name=op.f("pk_payment")),
    )
    with op.batch_alter_table("payment", schema=None) as batch_op:
        batch_op.create_index("ix_payment_batch", ["transfer_id", "batch"], unique=False)
        batch_op.create_index("ix_payment_booked_by", ["booked_by"], unique=False)
        batch_op.create_index("ix_payment_end_to_end_id", ["end_to_end_id"], unique=False)
        batch_op.create_index("ix_payment_instruction_id", ["instruction_id"], unique=False)
        batch_op.create_index("ix_payment_uetr", ["uetr"], unique=False)


def _guard_events() -> None:
    if op.get_bind().dialect.name == "sqlite":
        for act in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER event_no_{act.lower()} BEFORE {act} ON event "
                "BEGIN SELECT RAISE(ABORT, 'events of the journal are never changed'); END"
            )
        return
    op.execute(
        "CREATE FUNCTION event_is_final() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'events of the journal are never changed'; END $$"
    )
    op.execute(
        "CREATE TRIGGER event_is_final BEFORE UPDATE OR DELETE OR TRUNCATE ON event "
        "FOR EACH STATEMENT EXECUTE FUNCTION event_is_final()"
    )
