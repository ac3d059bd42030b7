"""The tables of a store, and how an SQLite file is known to be one."""

APPLICATION_ID = 0x50415249  # "PARI" in the header of every store
VERSION = 1

TABLES = """
CREATE TABLE studies (
    key         TEXT PRIMARY KEY,   -- hash of the whole study
    name        TEXT NOT NULL,
    question    TEXT NOT NULL,
    content     TEXT NOT NULL,      -- JSON: specification, arms, data, outcome, command
    asked       TEXT NOT NULL       -- when it was last asked for: ISO 8601, UTC
) STRICT;
CREATE TABLE environments (
    key         TEXT PRIMARY KEY,   -- hash of its content
    content     TEXT NOT NULL       -- JSON
) STRICT, WITHOUT ROWID;
CREATE TABLE runs (
    key         TEXT PRIMARY KEY,   -- hash of all that can change the result
    status      TEXT NOT NULL CHECK (status IN ('done', 'diverged', 'failed')),
    reason      TEXT NOT NULL,
    metrics     TEXT NOT NULL,      -- JSON: final metrics
    environment TEXT NOT NULL REFERENCES environments (key),
    finished    TEXT NOT NULL       -- ISO 8601, UTC
) STRICT;
CREATE TABLE curves (
    run         TEXT NOT NULL REFERENCES runs (key),
    metric      TEXT NOT NULL,
    points      BLOB NOT NULL,      -- little-endian float64, one per epoch or logged step
    PRIMARY KEY (run, metric)
) STRICT, WITHOUT ROWID;
CREATE TABLE design (
    study       TEXT NOT NULL REFERENCES studies (key),
    block       INTEGER NOT NULL,
    arm         INTEGER NOT NULL,
    run         TEXT NOT NULL,      -- a run that is planned: it may have no row yet
    PRIMARY KEY (study, block, arm)
) STRICT, WITHOUT ROWID;
"""

ADDED = {
    "class_tables": """
CREATE TABLE IF NOT EXISTS class_tables (
    run         TEXT NOT NULL REFERENCES runs (key),
    name        TEXT NOT NULL,      -- test_recall, test_confusion
    shape       TEXT NOT NULL,      -- JSON: [classes] or [classes, classes]
    cells       BLOB NOT NULL,      -- little-endian float64, row by row
    PRIMARY KEY (run, name)
) STRICT, WITHOUT ROWID
""",
    "proofs": """
CREATE TABLE IF NOT EXISTS proofs (
    study       TEXT PRIMARY KEY REFERENCES studies (key),
    content     TEXT NOT NULL       -- JSON: how far engines are apart in what they compute
) STRICT, WITHOUT ROWID
""",
}
"""Came later: a store without them is sound, and gets them when it is next opened to write."""
