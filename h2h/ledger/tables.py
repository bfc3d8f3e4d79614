"""The ledger's tables. Amounts and instants are text of one form, so that every database keeps them exactly. What
comes out of a file has no length here: a bank's value that breaks its schema must not break the ledger.

A transfer is an outbound file, a message an inbound one. Events can only be added; triggers refuse anything else. The
tables of statements are in statement_tables.py, those of alarms in alarm_tables.py, of webhooks in webhook_tables.py,
of keys in key_tables.py, of people in people_tables.py.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    String,
    Table,
    Text,
)

from h2h.ledger.alarm_tables import alarm as alarm
from h2h.ledger.alarm_tables import cut_off as cut_off
from h2h.ledger.alarm_tables import telling as telling
from h2h.ledger.columns import INSTANT_FORMAT as INSTANT_FORMAT
from h2h.ledger.columns import Exact as Exact
from h2h.ledger.columns import Instant as Instant
from h2h.ledger.columns import Json as Json
from h2h.ledger.columns import RecordText as RecordText
from h2h.ledger.columns import canonical as canonical
from h2h.ledger.columns import known_index, partial_index, to_erase_index
from h2h.ledger.columns import metadata as metadata
from h2h.ledger.key_tables import host_key as host_key
from h2h.ledger.key_tables import known_key as known_key
from h2h.ledger.people_tables import person as person
from h2h.ledger.statement_tables import booking as booking
from h2h.ledger.statement_tables import complete_day as complete_day
from h2h.ledger.statement_tables import detail as detail
from h2h.ledger.statement_tables import entry as entry
from h2h.ledger.statement_tables import gap as gap
from h2h.ledger.statement_tables import statement as statement
from h2h.ledger.webhook_tables import webhook as webhook
from h2h.ledger.webhook_tables import webhook_waiting as webhook_waiting

event = Table(
    "event",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("at", Instant, nullable=False),
    Column("subject", String(64), nullable=False),
    Column("kind", String(64), nullable=False),
    Column("actor", String(128), nullable=False),
    Column("data", Text, nullable=False),
    Column("previous", String(64), nullable=False),
    Column("hash", String(64), nullable=False, unique=True),
    Index("ix_event_subject", "subject", "seq"),
)

transfer = Table(
    "transfer",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("bank", String(40), nullable=False),
    Column("watch", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("content_sha256", String(64)),
    Column("size", BigInteger, nullable=False),
    Column("state", String(16), nullable=False),
    Column("verdict", String(16), nullable=False),
    Column("verdict_by", String(128)),  # the person who noted the bank's word by hand; empty where a report said it
    Column("reason", Text),
    Column("received_at", Instant, nullable=False),
    Column("message", Text),
    Column("message_id", Text),
    Column("payments", Integer),
    Column("control_sum", Exact),
    Column("currencies", Json),
    Column("execution_date", Text),
    Column("duplicate_of", String(32)),
    Column("due_at", Instant),
    Column("remote", Text),
    Column("temporary", Text),
    Column("sent_at", Instant),
    Column("answered_at", Instant),
    Column("attempts", Integer, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("late_allowed", String(8)),
    Column("proposed_by", String(128)),
    Column("owner", String(128)),
    Column("lease_until", Instant),
    Column("fence", Integer, nullable=False),
    Column("version", Integer, nullable=False),
    Column("repair_of", String(32)),  # made of payments that the bank refused in that one
    Column("original_sha256", String(64)),  # what was dropped, where it is sent in another version of the message
    Column("original_message", Text),
    Column("kinds", Json),  # of its payments (kinds.Kind); empty where these are not known, or too many
    Column("purged_at", Instant),  # that its bytes and records go was decided, by the policy of retention
    Column("erased_at", Instant),  # the last of them is gone
    Column("sealed_sha256", String(64)),  # what goes to the bank, where the file is compressed or encrypted for it
    Column("sealed_size", BigInteger),
    Column("sealed_by", Text),  # how, and by which keys (model.Seal), in words
    Column("makers", Json),  # who dropped, repaired, held or proposed it: they approve nothing of it
    Column("approvals", Json),  # what four eyes ask of it (approval.Need); empty where its folder has no such rules
    Column("approved", Json),  # who approved which bytes, since it was proposed or held last (approval.Approved)
    to_erase_index("transfer"),
    Index("ix_transfer_due", "bank", "state", "due_at"),
    Index("ix_transfer_sent_at", "bank", "state", "sent_at"),
    Index("ix_transfer_verdict", "bank", "state", "verdict"),
    Index("ix_transfer_sha256", "sha256"),
    Index("ix_transfer_original_sha256", "original_sha256"),
    known_index("transfer", "sealed_sha256"),
    Index("ix_transfer_received_at", "received_at"),
    Index("ix_transfer_state", "state"),
    Index("ix_transfer_content_sha256", "content_sha256"),
    Index("ix_transfer_message_id", "bank", "message_id"),
    Index("ix_transfer_of_message_id", "message_id"),
)

environment = Table(  # one row: of what this ledger is
    "environment",
    metadata,
    Column("name", String(16), primary_key=True),
    Column("noted_at", Instant, nullable=False),
)

lineage = Table(  # each payment of a repair: which one it was in the file repaired, and in the first file of all
    "lineage",
    metadata,
    Column("transfer_id", ForeignKey("transfer.id"), primary_key=True),
    Column("payment", Integer, primary_key=True),
    Column("origin_id", ForeignKey("transfer.id"), nullable=False),
    Column("origin_payment", Integer, nullable=False),
    Column("root_id", ForeignKey("transfer.id"), nullable=False),
    Column("root_payment", Integer, nullable=False),
    Index("ix_lineage_origin", "origin_id", "origin_payment"),
    Index("ix_lineage_root", "root_id", "root_payment"),
)

used_message_id = Table(  # the key decides: one transfer for each debtor account, as long as the id is in use
    "used_message_id",
    metadata,
    Column("bank", String(40), primary_key=True),
    Column("debtor", Text, primary_key=True),
    Column("message_id", Text, primary_key=True),
    Column("transfer_id", ForeignKey("transfer.id"), nullable=False),
    Index("ix_used_message_id_transfer_id", "transfer_id"),
)

remote_name = Table(  # every final name that was ever planned at a bank, for one transfer; `published`: used up
    "remote_name",
    metadata,
    Column("bank", String(40), primary_key=True),
    Column("path", String(1000), primary_key=True),
    Column("transfer_id", ForeignKey("transfer.id"), nullable=False),
    Column("published", Boolean, nullable=False),
)

sequence_number = Table(  # in names at a bank; `published`: used up; `kept`: its file goes again under it
    "sequence_number",
    metadata,
    Column("bank", String(40), primary_key=True),
    Column("series", String(1000), primary_key=True),
    Column("day", String(10), primary_key=True),  # of the bank's zone; "" where numbers run on
    Column("number", Integer, primary_key=True),
    Column("transfer_id", ForeignKey("transfer.id")),  # none where the ledger does not know who had it
    Column("attempt", Integer),
    Column("published", Boolean, nullable=False),
    Column("kept", Boolean, nullable=False),
    Index("ix_sequence_number_transfer_id", "transfer_id"),
)

attempt = Table(
    "attempt",
    metadata,
    Column("transfer_id", ForeignKey("transfer.id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("started_at", Instant, nullable=False),
    Column("ended_at", Instant),
    Column("temporary", Text, nullable=False),
    Column("remote", Text, nullable=False),
    Column("way", String(8)),  # with the next two its Route; empty where it was begun before these were noted
    Column("server", Text),
    Column("host_keys", Json),
    Column("made", Boolean),  # the file under the temporary name is ours: it was new when we opened it
    Column("exclusive", Boolean),  # published by a rename that replaces nothing, and may be more than one step
    Column("step", String(16), nullable=False),
    Column("outcome", String(16)),
    Column("text", Text),
    Column("next_at", Instant),
    partial_index("uq_attempt_open", "transfer_id", unique=True, where="ended_at IS NULL"),  # one in flight for each
)

batch = Table(
    "batch",
    metadata,
    Column("transfer_id", ForeignKey("transfer.id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("payment_information_id", Text),
    Column("payment_method", Text),
    Column("batch_booking", Boolean),
    Column("payments", Integer, nullable=False),
    Column("amount", Exact),
    Column("execution_date", Text),
    Column("debtor_name", Text),
    Column("debtor_account", Text),
    Column("debtor_agent", Text),
    Column("verdict", String(16), nullable=False),
    Column("status", Text),
    Column("reasons", Json),
    Index("ix_batch_payment_information_id", "payment_information_id"),
    Index("ix_batch_debtor_account", "debtor_account"),
)

payment = Table(
    "payment",
    metadata,
    Column("transfer_id", ForeignKey("transfer.id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("batch", Integer, nullable=False),
    Column("instruction_id", Text),
    Column("end_to_end_id", Text),
    Column("uetr", Text),
    Column("amount", Exact),
    Column("currency", Text),
    Column("creditor_name", Text),
    Column("creditor_account", Text),
    Column("creditor_agent", Text),
    Column("execution_date", Text),
    Column("remittance", Text),
    Column("status", Text),
    Column("reasons", Json),
    Column("status_at", Instant),
    Column("booked_by", ForeignKey("entry.id")),  # the statement's entry that debits it
    Column("advised_by", Integer),  # the first entry of a report or notification that announced the debit
    Column("returned_by", Integer),  # the statement's entry that gives it back
    Column("fingerprint", BigInteger),  # identity.Traits, for the radar
    ForeignKeyConstraint(["transfer_id", "batch"], ["batch.transfer_id", "batch.position"], name="fk_payment_batch"),
    Index("ix_payment_end_to_end_id", "end_to_end_id"),
    Index("ix_payment_batch", "transfer_id", "batch"),
    known_index("payment", "uetr"),
    known_index("payment", "instruction_id"),
    known_index("payment", "booked_by"),
    Index("ix_payment_amount", "amount"),
    Index("ix_payment_creditor_account", "creditor_account"),
    known_index("payment", "execution_date"),
    Index("ix_payment_fingerprint", "fingerprint", "transfer_id"),
)

message = Table(
    "message",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("bank", String(40), nullable=False),
    Column("folder", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("modified", BigInteger),
    Column("sha256", String(64), nullable=False),
    Column("state", String(16), nullable=False),
    Column("reason", Text),
    Column("fetched_at", Instant, nullable=False),
    Column("message", Text),
    Column("message_id", Text),
    Column("same_as", String(32)),
    Column("discarded_at", Instant),
    Column("handed_over_at", Instant),
    Column("purged_at", Instant),  # as of a transfer
    Column("erased_at", Instant),
    Column("opened_sha256", String(64)),  # what was read, where the file came encrypted or signed
    Column("opened_size", BigInteger),
    Column("signed_by", Text),  # the fingerprint
    to_erase_index("message"),
    Index("ix_message_sha256", "sha256"),
    known_index("message", "opened_sha256"),
    Index("ix_message_seen", "bank", "folder", "name"),
    Index("ix_message_fetched_at", "fetched_at"),
    Index("ix_message_state", "state"),
    Index("ix_message_message_id", "message_id"),
    partial_index("ix_message_not_handed_over", "bank", where="handed_over_at IS NULL"),
)

finding = Table(
    "finding",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("subject", String(32), nullable=False),
    Column("code", String(40), nullable=False),
    Column("severity", String(10), nullable=False),
    Column("path", Text, nullable=False),
    Column("line", Integer),
    Column("text", Text, nullable=False),
    Index("ix_finding_subject", "subject"),
)

report = Table(  # one row for each status said in a pain.002, on whatever level; every one is kept
    "report",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("message_id", ForeignKey("message.id"), nullable=False),
    Column("transfer_id", ForeignKey("transfer.id")),
    Column("level", String(10), nullable=False),
    Column("batch", Integer),
    Column("payment", Integer),
    Column("original_message_id", Text),
    Column("payment_information_id", Text),
    Column("instruction_id", Text),
    Column("end_to_end_id", Text),
    Column("uetr", Text),
    Column("amount", Exact),
    Column("status", Text),
    Column("said", Text),  # the bank's own word, where the status stands for it
    Column("reasons", Json),
    Column("effect", String(10), nullable=False),
    Index("ix_report_transfer_id", "transfer_id", "batch", "payment"),
    Index("ix_report_message_id", "message_id"),
    Index("ix_report_original_message_id", "original_message_id"),
    Index("ix_report_end_to_end_id", "end_to_end_id"),
    Index("ix_report_instruction_id", "instruction_id"),
    Index("ix_report_uetr", "uetr"),
)

feedback = Table(  # the newest version of what the ERP is told of a transfer; empty `written_at`: perhaps not yet
    "feedback",
    metadata,
    Column("transfer_id", ForeignKey("transfer.id"), primary_key=True),
    Column("version", Integer, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("at", Instant, nullable=False),
    Column("written_at", Instant),
    partial_index("ix_feedback_not_written", "at", where="written_at IS NULL"),
)

feedback_seen = Table(  # up to which event of the journal each bank's changes were looked at
    "feedback_seen",
    metadata,
    Column("bank", String(40), primary_key=True),
    Column("seq", Integer, nullable=False),
)

contact = Table(  # what is known of the line to each bank
    "contact",
    metadata,
    Column("bank", String(40), primary_key=True),
    Column("last_good_at", Instant),
    Column("last_failed_at", Instant),
    Column("failures", Integer, nullable=False),
    Column("error_class", String(20)),
    Column("text", Text),
    Column("suspended_until", Instant),
)

trouble = Table(  # what does not work in a bank's folder although the line is up
    "trouble",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("bank", String(40), nullable=False),
    Column("place", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("text", Text, nullable=False),
    Column("since", Instant, nullable=False),
    Index("ix_trouble_bank", "bank"),
)

slot = Table(  # once for each schedule and local slot, whoever fires
    "slot",
    metadata,
    Column("schedule", Text, primary_key=True),
    Column("slot", String(40), primary_key=True),
    Column("at", Instant, nullable=False),
)
