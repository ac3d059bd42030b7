"""The tables of a store, and how an SQLite file is known to be one."""

APPLICATION_ID = 0x50415249  # "PARI" in the header of every store
VERSION = 2
PAGE = 4096  # bytes, in every store

TABLES = """
CREATE TABLE studies (
    id          INTEGER PRIMARY KEY,
    key         TEXT NOT NULL UNIQUE,   -- hash of the whole study
    name        TEXT NOT NULL,
    question    TEXT NOT NULL,
    content     TEXT NOT NULL,          -- JSON: specification, arms, data, outcome, command
    asked       TEXT NOT NULL,          -- when it was last asked for: ISO 8601, UTC
    planned     INTEGER NOT NULL,       -- its rows in design
    crc         INTEGER NOT NULL        -- of the row, as in every table with content: see rows.py
) STRICT;
CREATE TABLE environments (
    key         TEXT NOT NULL UNIQUE,   -- hash of its content
    content     TEXT NOT NULL,          -- JSON
    crc         INTEGER NOT NULL
) STRICT;
CREATE TABLE runs (
    id          INTEGER PRIMARY KEY,    -- in the order in which they came
    key         TEXT NOT NULL UNIQUE,   -- hash of all that can change the result
    status      TEXT NOT NULL CHECK (status IN ('done', 'diverged', 'failed')),
    reason      TEXT NOT NULL,
    metrics     TEXT NOT NULL,          -- JSON: final metrics
    environment TEXT NOT NULL REFERENCES environments (key),
    finished    TEXT NOT NULL,          -- ISO 8601, UTC
    curves      INTEGER NOT NULL,       -- its rows in curves
    tables      INTEGER NOT NULL,       -- its rows in class_tables
    crc         INTEGER NOT NULL
) STRICT;
CREATE TABLE curves (
    run         INTEGER NOT NULL REFERENCES runs (id),
    metric      TEXT NOT NULL,
    points      BLOB NOT NULL,          -- little-endian float64, one per epoch or logged step
    crc         INTEGER NOT NULL,
    PRIMARY KEY (run, metric)
) STRICT;
CREATE TABLE class_tables (
    run         INTEGER NOT NULL REFERENCES runs (id),
    name        TEXT NOT NULL,          -- test_recall, test_confusion
    shape       TEXT NOT NULL,          -- JSON: [classes] or [classes, classes]
    cells       BLOB NOT NULL,          -- little-endian float64, row by row
    crc         INTEGER NOT NULL,
    PRIMARY KEY (run, name)
) STRICT;
CREATE TABLE design (
    study       INTEGER NOT NULL REFERENCES studies (id),
    block       INTEGER NOT NULL,
    arm         INTEGER NOT NULL,
    run         TEXT NOT NULL,          -- a run that is planned: it may have no row yet
    crc         INTEGER NOT NULL,
    PRIMARY KEY (study, block, arm)
) STRICT;
CREATE TABLE proofs (
    study       INTEGER NOT NULL UNIQUE REFERENCES studies (id),
    content     TEXT NOT NULL,          -- JSON: how far engines are apart in what they compute
    crc         INTEGER NOT NULL
) STRICT;
CREATE TABLE claims (
    run         TEXT PRIMARY KEY,       -- the key of a run that is being trained
    driver      TEXT NOT NULL           -- by whom
) STRICT, WITHOUT ROWID;
CREATE TABLE identity (
    store       TEXT NOT NULL           -- a random one, made with the store
) STRICT;
INSERT INTO identity VALUES (lower(hex(randomblob(16))));
CREATE TABLE copied (                   -- in a backup: how far it is
    store       TEXT NOT NULL,          -- the identity of the store that it is of
    id          INTEGER NOT NULL,       -- of its last run that was copied
    key         TEXT NOT NULL           -- of the same run
) STRICT;
"""
"""Tables with content have rowids, so that a row is whole in one leaf of the file, by its pages
alone: that is how restore.py finds the rows of a damaged one."""
