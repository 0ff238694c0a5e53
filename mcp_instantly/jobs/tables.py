"""The tables of jobs, in the database in which DBOS keeps its workflows."""

from __future__ import annotations

import time

import sqlalchemy as sa

JSON_COLUMNS = ("arguments", "plan", "settled", "position")

METADATA = sa.MetaData()
META = sa.Table("job_meta", METADATA, sa.Column("name", sa.Text, primary_key=True), sa.Column("value", sa.Text))
JOBS = sa.Table(
    "jobs",
    METADATA,
    sa.Column("id", sa.Text, primary_key=True),
    *(sa.Column(name, sa.Text, nullable=False) for name in ("owner", "place", "kind", "key")),
    *(sa.Column(name, sa.Text, nullable=False) for name in JSON_COLUMNS),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("why", sa.Text),
    sa.Column("confirmed", sa.Text, nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("cancel", sa.Boolean, nullable=False),
    sa.Column("runner", sa.Text),
    sa.Column("beat", sa.Double, nullable=False),
    sa.Column("created", sa.Double, nullable=False),
    sa.Column("ended", sa.Double),
    sa.UniqueConstraint("owner", "key"),
)
ROWS = sa.Table(
    "job_rows",
    METADATA,
    sa.Column("job_id", sa.Text, primary_key=True),
    sa.Column("number", sa.BigInteger, primary_key=True),
    sa.Column("subject", sa.Text),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("why", sa.Text),
    sa.Column("lead_id", sa.Text),
    sa.Column("credits", sa.Integer),
    sa.Index("job_rows_subject", "job_id", "subject"),
    sa.Index("job_rows_state", "job_id", "state", "number"),
)
CLAIMS = sa.Table(
    "job_claims",
    METADATA,
    sa.Column("job_id", sa.Text, primary_key=True),
    sa.Column("first", sa.BigInteger, primary_key=True),
    sa.Column("last", sa.BigInteger, nullable=False),
    sa.Column("runner", sa.Text),
    sa.Column("beat", sa.Double, nullable=False),
    sa.Column("done", sa.Boolean, nullable=False),
)

MAKING_SECONDS = 0.5
"""For which another process is left to make the tables."""

MAX_MAKING_SECONDS = 10.0
"""What took longer is not tried once more."""


def make_tables(engine: sa.Engine) -> None:
    """Make what is missing. Another process may make it at the same moment: then it is looked at once more."""
    began = time.monotonic()
    try:
        METADATA.create_all(engine)
    except (sa.exc.OperationalError, sa.exc.ProgrammingError, sa.exc.IntegrityError):
        if time.monotonic() - began > MAX_MAKING_SECONDS:
            # It was waited for another process already, for as long as there is patience.
            raise
        time.sleep(MAKING_SECONDS)
        METADATA.create_all(engine)
