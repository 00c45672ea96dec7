"""The journal's tables, as migration steps: step N brings a file of version N-1 to version N.

A released step never changes. A change of the tables is a new step.
"""

_FIRST = """
CREATE TABLE journal (id TEXT NOT NULL) STRICT;
CREATE TABLE recordings (             -- recordings that a model has analysed to their end
    id TEXT NOT NULL, model_sha256 TEXT NOT NULL, name TEXT NOT NULL, start_utc TEXT NOT NULL,
    clock_source TEXT NOT NULL, rate_hz INTEGER NOT NULL, channels INTEGER NOT NULL,
    PRIMARY KEY (id, model_sha256)
) STRICT, WITHOUT ROWID;
CREATE TABLE unreadable (             -- files that could not be analysed, and the reason
    name TEXT NOT NULL, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, reason TEXT NOT NULL, detail TEXT NOT NULL,
    PRIMARY KEY (name, size, mtime_ns)
) STRICT, WITHOUT ROWID;
CREATE TABLE outbox (                 -- rows that the base station has not acknowledged. No number is used twice
    seq INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL CHECK (kind IN ('event', 'effort')), id TEXT NOT NULL
) STRICT;
CREATE TABLE event (
    id TEXT PRIMARY KEY, recording TEXT NOT NULL, recording_name TEXT NOT NULL, start_utc TEXT NOT NULL,
    end_utc TEXT NOT NULL, clock_source TEXT NOT NULL, rate_hz INTEGER NOT NULL, onset_sample INTEGER NOT NULL,
    offset_sample INTEGER NOT NULL, label TEXT NOT NULL, scientific_name TEXT NOT NULL, p_peak REAL NOT NULL,
    p_mean REAL NOT NULL, level_dbfs REAL NOT NULL, model_id TEXT NOT NULL, model_version TEXT NOT NULL,
    model_sha256 TEXT NOT NULL, config_hash TEXT NOT NULL, app_version TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE effort (
    id TEXT PRIMARY KEY, recording TEXT NOT NULL, recording_name TEXT NOT NULL, start_utc TEXT NOT NULL,
    clock_source TEXT NOT NULL, rate_hz INTEGER NOT NULL, state TEXT NOT NULL, first_sample INTEGER NOT NULL,
    samples INTEGER NOT NULL, model_id TEXT NOT NULL, model_version TEXT NOT NULL, model_sha256 TEXT NOT NULL,
    config_hash TEXT NOT NULL, app_version TEXT NOT NULL
) STRICT, WITHOUT ROWID;
"""

_NOTICES = """
CREATE TABLE notice (                 -- events of the device itself
    id TEXT PRIMARY KEY, what TEXT NOT NULL, utc TEXT NOT NULL, detail TEXT NOT NULL, recording TEXT NOT NULL,
    amount REAL, model_id TEXT NOT NULL, model_version TEXT NOT NULL, model_sha256 TEXT NOT NULL,
    config_hash TEXT NOT NULL, app_version TEXT NOT NULL
) STRICT, WITHOUT ROWID;
ALTER TABLE outbox RENAME TO outbox_1;
CREATE TABLE outbox (                 -- as before, for rows of any kind. Used numbers stay used
    seq INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, id TEXT NOT NULL
) STRICT;
INSERT INTO outbox SELECT * FROM outbox_1;
DELETE FROM sqlite_sequence WHERE name = 'outbox';
INSERT INTO sqlite_sequence SELECT 'outbox', seq FROM sqlite_sequence WHERE name = 'outbox_1';
DROP TABLE outbox_1;
"""

_SETTLED = """
CREATE TABLE settled (                -- delivered rows. A number below zero is not from the sequence
    seq INTEGER PRIMARY KEY, kind TEXT NOT NULL, id TEXT NOT NULL, utc TEXT NOT NULL
) STRICT;
CREATE TABLE dead_letter (            -- rows that are refused, and the reason
    seq INTEGER PRIMARY KEY, kind TEXT NOT NULL, id TEXT NOT NULL, utc TEXT NOT NULL, reason TEXT NOT NULL
) STRICT;
INSERT INTO settled
    SELECT -row_number() OVER (), kind, id, strftime('%Y-%m-%dT%H:%M:%SZ', 'now') FROM (
        SELECT 'event' AS kind, id FROM event UNION ALL SELECT 'effort', id FROM effort
        UNION ALL SELECT 'notice', id FROM notice
    ) WHERE id NOT IN (SELECT id FROM outbox);
"""

_PROGRESS = """
CREATE TABLE progress (               -- effort of the microphone's last recording that still grows, as JSON
    id TEXT PRIMARY KEY, row TEXT NOT NULL
) STRICT, WITHOUT ROWID;
"""

_HEARINGS = """
ALTER TABLE recordings ADD COLUMN config_hash TEXT NOT NULL DEFAULT '';
ALTER TABLE recordings ADD COLUMN size INTEGER NOT NULL DEFAULT 0;
ALTER TABLE recordings ADD COLUMN head TEXT;
ALTER TABLE recordings ADD COLUMN is_whole INTEGER NOT NULL DEFAULT 1;
ALTER TABLE recordings ADD COLUMN hearings INTEGER NOT NULL DEFAULT 1;
ALTER TABLE recordings ADD COLUMN replaced_by TEXT;
CREATE INDEX recordings_by_head ON recordings (head);
CREATE TABLE glance (                 -- quick fingerprint of a file, and its recording
    id BLOB PRIMARY KEY, recording TEXT NOT NULL
) STRICT, WITHOUT ROWID;
ALTER TABLE event ADD COLUMN withdrawn INTEGER NOT NULL DEFAULT 0;
ALTER TABLE effort ADD COLUMN withdrawn INTEGER NOT NULL DEFAULT 0;
CREATE INDEX event_by_recording ON event (recording);
CREATE INDEX effort_by_recording ON effort (recording);
"""

_CLIPS = """
CREATE TABLE clip (                   -- the clip of an event. `settled`: the base station needs no more of it
    event TEXT PRIMARY KEY, name TEXT NOT NULL, first_sample INTEGER NOT NULL, settled INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE TABLE clip_spent (             -- bytes of clips that were sent, by day in UTC
    day TEXT PRIMARY KEY, bytes INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
"""

_CHANNEL_AND_NAME = """
ALTER TABLE event ADD COLUMN channel INTEGER;
ALTER TABLE event ADD COLUMN common_name TEXT NOT NULL DEFAULT '';
"""

_RELIABLE = """
ALTER TABLE event ADD COLUMN is_reliable INTEGER NOT NULL DEFAULT 1;
"""

_ANALYSES = """
ALTER TABLE event ADD COLUMN analysis TEXT NOT NULL DEFAULT '';
ALTER TABLE effort ADD COLUMN analysis TEXT NOT NULL DEFAULT '';
ALTER TABLE notice ADD COLUMN replaced_by TEXT NOT NULL DEFAULT '';
ALTER TABLE notice ADD COLUMN replaces TEXT NOT NULL DEFAULT '[]';
ALTER TABLE notice ADD COLUMN analysis TEXT;
UPDATE event SET analysis = default_analysis(recording, model_sha256);
UPDATE effort SET analysis = default_analysis(recording, model_sha256);
UPDATE progress SET row = json_set(
    row, '$.analysis', default_analysis(json_extract(row, '$.recording'), json_extract(row, '$.model_sha256'))
);
"""

_AUDIO_IDENTITY = """
ALTER TABLE recordings ADD COLUMN audio_id TEXT;
ALTER TABLE recordings ADD COLUMN audio_format TEXT;
ALTER TABLE recordings ADD COLUMN audio_bytes INTEGER;
ALTER TABLE recordings ADD COLUMN probes BLOB;
ALTER TABLE recordings ADD COLUMN has_signal INTEGER;
ALTER TABLE recordings ADD COLUMN named_start TEXT;
CREATE INDEX recordings_by_audio_id ON recordings (audio_id);
CREATE INDEX recordings_by_named_start ON recordings (named_start);
"""

_OWNERS = """
ALTER TABLE journal ADD COLUMN version INTEGER NOT NULL DEFAULT 0;
ALTER TABLE journal ADD COLUMN base TEXT;
ALTER TABLE journal ADD COLUMN running_s REAL NOT NULL DEFAULT 0;
ALTER TABLE settled ADD COLUMN running_s REAL NOT NULL DEFAULT 0;
ALTER TABLE event ADD COLUMN site TEXT NOT NULL DEFAULT '';
ALTER TABLE event ADD COLUMN device TEXT NOT NULL DEFAULT '';
ALTER TABLE event ADD COLUMN checksum INTEGER NOT NULL DEFAULT 0;
ALTER TABLE effort ADD COLUMN site TEXT NOT NULL DEFAULT '';
ALTER TABLE effort ADD COLUMN device TEXT NOT NULL DEFAULT '';
ALTER TABLE effort ADD COLUMN checksum INTEGER NOT NULL DEFAULT 0;
ALTER TABLE notice ADD COLUMN site TEXT NOT NULL DEFAULT '';
ALTER TABLE notice ADD COLUMN device TEXT NOT NULL DEFAULT '';
ALTER TABLE notice ADD COLUMN checksum INTEGER NOT NULL DEFAULT 0;
ALTER TABLE progress ADD COLUMN site TEXT NOT NULL DEFAULT '';
ALTER TABLE progress ADD COLUMN device TEXT NOT NULL DEFAULT '';
UPDATE event SET site = owner_site(), device = owner_device();
UPDATE effort SET site = owner_site(), device = owner_device();
UPDATE notice SET site = owner_site(), device = owner_device();
UPDATE progress SET site = owner_site(), device = owner_device();
"""

_EFFORT_LEVEL = """
ALTER TABLE effort ADD COLUMN level_dbfs REAL;
"""

_ONE_ANALYSIS = """
ALTER TABLE event ADD COLUMN analysis_rows INTEGER;
ALTER TABLE effort ADD COLUMN analysis_rows INTEGER;
ALTER TABLE recordings ADD COLUMN analysis TEXT;
UPDATE recordings SET analysis = coalesce(
    (
        SELECT analysis FROM effort
        WHERE recording = recordings.id AND model_sha256 = recordings.model_sha256 AND NOT withdrawn
    ),
    default_analysis(id, model_sha256)
);
CREATE TABLE again (                  -- recordings whose second analysis an early version has not delivered yet
    recording TEXT, model_sha256 TEXT, PRIMARY KEY (recording, model_sha256)
);
INSERT INTO again SELECT DISTINCT recording, model_sha256 FROM (
    SELECT id, recording, model_sha256 FROM event UNION ALL SELECT id, recording, model_sha256 FROM effort
    UNION ALL SELECT id, recording, model_sha256 FROM notice WHERE what = 'withdrawn'
) WHERE id IN (SELECT id FROM outbox) AND (recording, model_sha256) IN (
    SELECT recording, model_sha256 FROM event WHERE withdrawn
    UNION SELECT recording, model_sha256 FROM effort WHERE withdrawn
);
UPDATE event SET analysis = default_analysis(recording || '/again', model_sha256)
    WHERE NOT withdrawn AND analysis = default_analysis(recording, model_sha256)
    AND (recording, model_sha256) IN (SELECT recording, model_sha256 FROM again);
UPDATE effort SET analysis = default_analysis(recording || '/again', model_sha256)
    WHERE NOT withdrawn AND analysis = default_analysis(recording, model_sha256)
    AND (recording, model_sha256) IN (SELECT recording, model_sha256 FROM again);
UPDATE recordings SET analysis = default_analysis(id || '/again', model_sha256)
    WHERE analysis = default_analysis(id, model_sha256) AND replaced_by IS NULL
    AND (id, model_sha256) IN (SELECT recording, model_sha256 FROM again);
UPDATE notice SET replaces = json_array(default_analysis(recording, model_sha256)), replaced_by = coalesce((
    SELECT replaced_by FROM recordings
    WHERE recordings.id = notice.recording AND recordings.model_sha256 = notice.model_sha256
), '') WHERE what = 'withdrawn' AND replaces = '[]';
UPDATE notice SET analysis = (
    SELECT analysis FROM recordings WHERE id = coalesce(nullif(notice.replaced_by, ''), notice.recording)
    AND recordings.model_sha256 = notice.model_sha256
) WHERE what = 'withdrawn' AND analysis IS NULL;
INSERT INTO outbox (kind, id) SELECT kind, id FROM settled WHERE id IN (
    SELECT id FROM event WHERE (recording, model_sha256) IN (SELECT recording, model_sha256 FROM again)
    UNION ALL SELECT id FROM effort WHERE (recording, model_sha256) IN (SELECT recording, model_sha256 FROM again)
) ORDER BY seq;
DELETE FROM settled WHERE id IN (SELECT id FROM outbox);
DELETE FROM outbox WHERE id IN (SELECT id FROM event WHERE withdrawn UNION ALL SELECT id FROM effort WHERE withdrawn);
DELETE FROM settled WHERE id IN (SELECT id FROM event WHERE withdrawn UNION ALL SELECT id FROM effort WHERE withdrawn);
DELETE FROM dead_letter
    WHERE id IN (SELECT id FROM event WHERE withdrawn UNION ALL SELECT id FROM effort WHERE withdrawn);
DELETE FROM event WHERE withdrawn;
DELETE FROM effort WHERE withdrawn;
ALTER TABLE event DROP COLUMN withdrawn;
ALTER TABLE effort DROP COLUMN withdrawn;
ALTER TABLE recordings DROP COLUMN hearings;
DROP TABLE again;
"""

_MACHINE = """
ALTER TABLE journal ADD COLUMN machine TEXT;
"""

STEPS: tuple[tuple[str, ...], ...] = tuple(
    tuple(filter(str.strip, step.split(";")))
    for step in (
        _FIRST,
        _NOTICES,
        _SETTLED,
        _PROGRESS,
        _HEARINGS,
        _CLIPS,
        _CHANNEL_AND_NAME,
        _RELIABLE,
        _ANALYSES,
        _AUDIO_IDENTITY,
        _OWNERS,
        _EFFORT_LEVEL,
        _ONE_ANALYSIS,
        _MACHINE,
    )
)
"""The SQL statements of each step."""

VERSION = len(STEPS)

VERSION_WITH_OWNERS = STEPS.index(tuple(filter(str.strip, _OWNERS.split(";")))) + 1
"""Since this version each row has its site and device."""
