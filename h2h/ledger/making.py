"""A new ledger: all tables at once, as the migrations would leave them, without loading what runs migrations."""

from __future__ import annotations

from sqlalchemy import Column, Connection, MetaData, PrimaryKeyConstraint, String, Table, insert

from h2h.ledger.tables import metadata

VERSION = "alembic_version"
CHANGED = "events of the journal are never changed"
FUNCTION = f"""CREATE FUNCTION event_is_final() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION '{CHANGED}'; END $$"""
TRIGGER = """CREATE TRIGGER event_is_final BEFORE UPDATE OR DELETE OR TRUNCATE ON event
    FOR EACH STATEMENT EXECUTE FUNCTION event_is_final()"""
GUARDS = {
    "sqlite": tuple(
        f"CREATE TRIGGER event_no_{act.lower()} BEFORE {act} ON event BEGIN SELECT RAISE(ABORT, '{CHANGED}'); END"
        for act in ("UPDATE", "DELETE")
    ),
    "postgresql": (FUNCTION, TRIGGER),
}


done = Table(VERSION, MetaData(), Column("version_num", String(32), nullable=False))
done.append_constraint(PrimaryKeyConstraint("version_num", name=f"{VERSION}_pkc"))


def make(connection: Connection, head: str) -> None:
    """In a database that has none of these tables. `head`: the newest migration, which is noted as done."""
    metadata.create_all(connection, checkfirst=False)
    for guard in GUARDS[connection.dialect.name]:
        connection.exec_driver_sql(guard)
    done.create(connection)
    connection.execute(insert(done).values(version_num=head))
