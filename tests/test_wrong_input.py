"""Wrong settings, arguments and files of the device and the base station.

Each gives one message that says what is wrong and what to do, and the exit code of its kind. No traceback.
"""

import os
import signal
import sqlite3
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from cheap_passwords import HASH
from device_rows import event
from sqlalchemy import insert

from anura_base.access.tables import users
from anura_base.cli.main import main as base_main
from anura_base.db.engine import open_database
from anura_base.db.schema import devices
from anura_edge.cli.main import main as edge_main
from anura_edge.store.journal import Journal

Prepare = Callable[[Path], object]


@dataclass(frozen=True)
class Case:
    """A wrong call. `{}` in an argument is the folder of the test, which `prepare` changes first."""

    command: str
    code: int
    words: str
    """A part of the message: what is wrong."""
    remedy: str
    """A part of the message: what to do."""
    prepare: Prepare = lambda _folder: None
    environment: dict[str, str] = field(default_factory=dict)


def settings(text: str) -> Prepare:
    """Write the settings file s.yaml."""
    return lambda folder: (folder / "s.yaml").write_text(text)


def content(name: str, data: bytes) -> Prepare:
    return lambda folder: (folder / name).write_bytes(data)


def journal(folder: Path) -> None:
    """Make a journal without results."""
    (folder / "state").mkdir()
    with closing(Journal(folder / "state" / "journal.db")):
        pass


def foreign_journal(folder: Path) -> None:
    (folder / "state").mkdir()
    with closing(sqlite3.connect(folder / "state" / "journal.db")) as db:
        db.execute("CREATE TABLE music (title TEXT)")


def newer_journal(folder: Path) -> None:
    journal(folder)
    with closing(sqlite3.connect(folder / "state" / "journal.db")) as db:
        db.execute("PRAGMA user_version = 999")
        db.execute("UPDATE journal SET version = 999")
        db.commit()


def archive(name: str, *members: str) -> Prepare:
    def write(folder: Path) -> None:
        with zipfile.ZipFile(folder / name, "w") as file:
            for member in members:
                file.writestr(member, b"x")

    return write


def base(folder: Path) -> None:
    """Make the database of a base station with a device and a user."""
    engine = open_database(f"sqlite:///{folder}/base.db")
    with engine.begin() as connection:
        connection.execute(insert(devices), [{"site": "pond", "device": "one"}, {"site": "lake", "device": "two"}])
        connection.execute(
            insert(users).values(name="ana", role="view", password_hash=HASH, created_utc=event(1).start_utc)
        )
    engine.dispose()


def ana(folder: Path) -> None:
    """The same, and a password for the user who exists."""
    base(folder)
    (folder / "p").write_text("a long enough password\n")


def newer_base(folder: Path) -> None:
    base(folder)
    with closing(sqlite3.connect(folder / "base.db")) as db, db:
        db.execute("UPDATE identity SET schema_version = 999")


CHECK = "config check {}/s.yaml"
"""Checks the settings file that `settings` writes."""

MQTT = "device: {site: a, name: b}\nmqtt:\n  host: h\n"

RULE = "alerts:\n  rules:\n    a: "

TO_A_COMMAND = "--help' for help"
"""The remedy of a wrong command line."""

EDGE_SETTINGS = [
    Case("config check {}/none.yaml", 2, "none.yaml: No such file", "check the path"),
    Case("config check {}", 2, "is not a file", "name a YAML file"),
    Case(CHECK, 2, "s.yaml:1: not YAML", "check colons and indentation", settings("device:\tsite: x\n")),
    Case(CHECK, 2, "['a', 'b']", "write `key: value` lines", settings("- a\n- b\n")),
    Case(CHECK, 2, "not 'just words'", "write `key: value` lines", settings("just words\n")),
    Case(CHECK, 2, "not a text file in UTF-8", "name a YAML file", content("s.yaml", b"\xff\xfe\x00\x01RIFF")),
    Case(CHECK, 2, "s.yaml:2: unknown key 'device.stie'", "mean 'site'?", settings("device:\n  stie: pond\n")),
    Case(CHECK, 2, "unknown key 'devcie'", "did you mean 'device'?", settings("devcie:\n  site: pond\n")),
    Case(CHECK, 2, "device:", "write `key: value` lines below it, not 'pond'", settings("device: pond\n")),
    Case(CHECK, 2, "device.site", "letters of the English alphabet, digits", settings("device:\n  site: a pond\n")),
    Case(CHECK, 2, "s.yaml:3: duplicate key 'site'", "delete one", settings("device:\n  site: a\n  site: b\n")),
    Case(CHECK, 2, "schema", "write 1, not 2", settings("schema: 2\n")),
    Case(CHECK, 2, "detect.threshold", "must be at most 1, not 7", settings("detect:\n  threshold: 7\n")),
    Case(CHECK, 2, "detect.threshold", "write a number, not 'high'", settings("detect:\n  threshold: high\n")),
    Case(CHECK, 2, "latitude_deg", "at most 90, not 91", settings("device: {latitude_deg: 91, longitude_deg: 0}\n")),
    Case(CHECK, 2, "go together", "write both or neither", settings("device:\n  latitude_deg: 9\n")),
    Case(CHECK, 2, "device.zone", "as in America/Sao_Paulo", settings("device:\n  zone: Mars/Base\n")),
    Case(CHECK, 2, "audio.utc_offset", "+hh:mm or -hh:mm", settings("audio:\n  utc_offset: 25:00\n")),
    Case(CHECK, 2, "not 'micro'", "write mic, folder:PATH or file:PATH", settings("source: micro\n")),
    Case(CHECK, 4, "no folder /no/card", "mount the card", settings("source: folder:/no/card\n")),
    Case(CHECK, 2, "two devices with one name", "set device.site", settings("mqtt:\n  host: broker\n")),
    Case(CHECK, 2, "mqtt.port", "must be at most 65,535, not 70000", settings(f"{MQTT}  port: 70000\n")),
    Case(CHECK, 2, "mqtt.password_file", "no such file", settings(f"{MQTT}  username: x\n  password_file: /no\n")),
    Case(
        CHECK, 3, "no model bundle at /no/bundle", "name a bundle's folder", settings("model: {bundle: /no/bundle}\n")
    ),
    Case(CHECK, 2, "has no ['UNICORN']", "it has ACRCRE", settings("detect: {thresholds: {UNICORN: 0.5}}\n")),
    Case("config show", 2, "ANURA__DETECT__THRESHOLD", "write a number", environment={"ANURA__DETECT__THRESHOLD": "x"}),
    Case("config show", 2, "ANURA__DETCT__THRESHOLD", "mean 'detect'", environment={"ANURA__DETCT__THRESHOLD": "1"}),
]

EDGE_ARGUMENTS = [
    Case("scna {}", 2, "No such command 'scna'", "Did you mean 'scan'?"),
    Case("scan", 2, "Missing argument 'PATH'", TO_A_COMMAND),
    Case("scan {}/none", 4, "no folder", "mount the card"),
    Case("scan {}/note.wav", 4, "note.wav", "Name a recording", content("note.wav", b"not audio at all")),
    Case("scan {} --jobs 0", 2, "'--jobs'", TO_A_COMMAND),
    Case("scan {} --job 2", 2, "No such option: --job", "--jobs"),
    Case("scan {} --format raven", 2, "--format", "need --out FOLDER"),
    Case("scan {} --out {}/out --format ravn", 2, "no such format", "the formats are"),
    Case("scan {} --out {}/note", 2, "is a file", "name a folder", content("note", b"")),
    Case("scan {} --utc-offset 10", 2, "--utc-offset", "+hh:mm or -hh:mm"),
    Case("scan {} --zone Mars/Base", 2, "--zone", "as in America/Sao_Paulo"),
    Case("scan {} --site a/b", 2, "--site", "letters of the English alphabet, digits"),
    Case("scan s3://bucket", 2, "is a URL", "--cluster ADDRESS --out FOLDER"),
    Case("scan {} --cluster local:2", 2, "--cluster", "needs --out"),
    Case("run", 2, "no source", "write --source mic, folder:PATH or file:PATH"),
    Case("run --source satellite", 2, "'satellite'", "write mic, folder:PATH or file:PATH"),
    Case("run --source file:{}/note.wav --watch", 2, "--watch needs a folder", "write --source folder:PATH"),
    Case("card check {}/none", 4, "no folder", "mount the card"),
    Case("explore {}/none.wav", 4, "No such file", "check its name"),
    Case("explore --port 99999", 2, "'--port'", TO_A_COMMAND),
    Case("export", 2, "Missing argument 'FORMAT'", TO_A_COMMAND),
    Case("export excel", 2, "no format 'excel'", "the formats are"),
    Case("export raven", 5, "no journal", "anura-edge scan FOLDER"),
    Case("export raven", 5, "no results yet", "anura-edge scan FOLDER", journal),
    Case("export raven", 5, "belongs to another program", "move it aside", foreign_journal),
    Case("export raven", 5, "newer anura-edge (version 999)", "upgrade this one", newer_journal),
    Case("export occupancy", 2, "several files", "name a folder with --out"),
    Case("export raven --since 2026-13-01", 2, "'--since'", "%Y-%m-%d"),
    Case("export raven --min-score 2", 2, "'--min-score'", TO_A_COMMAND),
    Case("export nightly --sites {}/none.csv", 2, "none.csv: No such file", "name a CSV table of sites", journal),
    Case("export nightly --zone Mars/Base", 2, "--zone 'Mars/Base'", "as in America/Sao_Paulo", journal),
    Case("report year --out {}/r.html", 2, "no report 'year'", "the reports are"),
    Case("report species --out {}/r.html", 2, "name a species", "--species"),
    Case("report season --out {}/r.html", 2, "exists already", "choose another name", content("r.html", b"")),
    Case("clips extract --out {}/clips", 5, "no journal", "anura-edge scan FOLDER"),
    Case("summary --minutes 0", 2, "'--minutes'", TO_A_COMMAND),
    Case("summary", 5, "no journal", "anura-edge scan FOLDER"),
    Case("model info {}/none", 3, "no model bundle", "name a bundle's folder"),
    Case("model verify {}", 3, "no model bundle", "name a bundle's folder"),
    Case("model install {}/b.zip", 2, "only signed models", "set model.public_key_file, or write --unsigned"),
    Case("model install {}/b.zip --unsigned", 3, "not a zip file", "download it again", content("b.zip", b"no zip")),
    Case("model install {}/b.zip --unsigned", 3, "is not a bundle", "manifest.json", archive("b.zip", "../evil")),
    Case("model rollback", 2, "no bundle is installed", "the one that is part of anura-edge is used"),
    Case("resend", 2, "either", "--since DATE or --all"),
    Case("resend --all --since 2026-01-01", 2, "either", "--since DATE or --all"),
    Case("site rename pond a/b", 2, "'a/b' is not a name", "use up to 32 letters"),
    Case("site rename pond lake", 2, "no row of the site 'pond'", "`anura-edge doctor`", journal),
    Case("join {}/none.join --config {}/s.yaml", 2, "none.join: No such file", "`anura-base provision`"),
    Case("join {}/j.join --config {}/s.yaml", 2, "not a join file", "`anura-base provision", content("j.join", b"{}")),
    Case("init --yes {}/s.yaml", 2, "exists already", "choose another name", settings("schema: 1\n")),
]

RUN = "run --config {}/s.yaml"

BASE_SETTINGS = [
    Case("run --config {}/none.yaml", 2, "none.yaml: No such file", "check the path"),
    Case(RUN, 2, "s.yaml:1: unknown key 'mqqt'", "did you mean 'mqtt'?", settings("mqqt:\n  host: x\n")),
    Case(RUN, 2, "mqtt.port", "must be at least 1, not 0", settings("mqtt:\n  port: 0\n")),
    Case(RUN, 2, "trusted_proxies", "write it as 127.0.0.1", settings("web:\n  trusted_proxies: [nonsense]\n")),
    Case(RUN, 2, "go together", "give both or neither", settings("web:\n  tls_cert_file: /no/cert\n")),
    Case(RUN, 2, "sites.pond.zone", "as in America/Sao_Paulo", settings("sites: {pond: {zone: Mars/Base}}\n")),
    Case(RUN, 2, "not 'full_moon'", "write one of 'first_call", settings(RULE + "{when: full_moon}\n")),
    Case(RUN, 2, "no limit", "as in disk_below_gb: 2", settings(RULE + "{when: device_health}\n")),
    Case(
        RUN, 2, "'pager'", "known channels", settings(RULE + "{when: device_silent, after_h: 2, channels: [pager]}\n")
    ),
    Case(RUN, 2, "was renamed", "write min_score", settings(RULE + "{when: rare_species, min_probability: 0.5}\n")),
    Case("run", 2, "ANURA_BASE__WEB__PORT", "write a whole number", environment={"ANURA_BASE__WEB__PORT": "http"}),
]

BASE_ARGUMENTS = [
    Case("runn", 2, "No such command 'runn'", "Did you mean 'run'?"),
    Case("run --mqtt nonsense", 2, "is not HOST:PORT", "as in 127.0.0.1:1883"),
    Case("run --web 203.0.113.1:80", 2, "cannot listen on 203.0.113.1:80", "choose another with --web HOST:PORT"),
    Case("run --database sqlite://", 2, "SQLite in memory", "name a file"),
    Case("run --database {}/base.db", 2, "this is no URL", "as in sqlite:////var"),
    Case("run --database mysql://me:secret@localhost/x", 2, "mysql is not supported", "use sqlite or postgresql"),
    Case("run --database sqlite:///{}/none/x/base.db", 5, "cannot open", "check the path, its owner and free space"),
    Case("export excel", 2, "no format 'excel'", "the formats are", base),
    Case("export birdnet", 2, "there is no database", "name the base station's with --config FILE or --database URL"),
    Case("export birdnet --out {}/base.db", 2, "exists already", "choose another name", base),
    Case("export birdnet", 5, "newer anura-base (version 999)", "upgrade this one", newer_base),
    Case("export birdnet", 5, "is not a database", "check the path", content("base.db", b"no database" * 99)),
    Case("backup {}/base.db", 2, "exists already", "choose another name", base),
    Case("restore {}/none.db", 2, "does not exist", "`anura-base backup FILE` writes one"),
    Case(
        "restore {}/x.db", 2, "is not a backup", "`anura-base backup FILE` writes one", content("x.db", b"no database")
    ),
    Case("restore {}/base.db", 2, "the database is not empty", "use a new database", base),
    Case("import {}/none.db", 5, "no journal", "name the file journal.db of a device"),
    Case("import {}/base.db", 5, "is not the journal of a device", "name the file journal.db", base),
    Case("device rename pond one", 2, "'pond' is not a device", "write it as SITE/DEVICE", base),
    Case("device rename pond/nine one", 2, "no device pond/nine", "`anura-base device list`", base),
    Case("device rename pond/one a/b", 2, "'a/b' is not a name", "use up to 32 letters", base),
    Case("device remove pond/nine", 2, "no device pond/nine", "`anura-base device list`", base),
    Case("device move pond/one pond", 2, "is at the site pond already", "name another site", base),
    Case("device move pond/one lake --since yesterday", 2, "'yesterday' is not a time", "write it as in 2026", base),
    Case("device key a/b", 2, "'a/b' is not a name", "use up to 32 letters", base),
    Case("site rename pond lake", 2, "there is a site lake already", "`anura-base site merge pond lake`", base),
    Case("site merge pond sea", 2, "no site sea", "`anura-base device list`", base),
    Case("user add bob --role boss", 2, "'boss' is not one of", "'view', 'review', 'admin'", base),
    Case("user add bob --role view --password-file {}/none", 2, "none: No such file", "check its owner", base),
    Case("user add bob --role view --password-file {}/p", 2, "12 to 256", "use a sentence", content("p", b"123\n")),
    Case(
        "user add ana --role view --password-file {}/p", 2, "the user ana exists", "`anura-base user password ana`", ana
    ),
    Case("user remove nobody", 2, "no user nobody", "the users are: ana", base),
    Case("token remove nothing", 2, "no token nothing", "the tokens are", base),
    Case("clock set pond one", 2, "give either --utc-offset", "--start with --recording", base),
    Case("clock set pond one --utc-offset 99", 2, "'99' is not a UTC offset", "as in +10:00", base),
    Case("provision pond --folder {}/keys", 2, "'pond' is not a device", "write it as SITE/DEVICE"),
    Case("broker revoke pond/one --folder {}/keys", 2, "has no credentials", "check its name"),
    Case("simulate --devices 0", 2, "'--devices'", TO_A_COMMAND),
]


def run(
    program: str, case: Case, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[int, str]:
    for name in [name for name in os.environ if name.startswith("ANURA_")]:
        monkeypatch.delenv(name)
    defaults = {"ANURA__STATE_DIR": f"{folder}/state", "ANURA_BASE__DATABASE": f"sqlite:///{folder}/base.db"}
    for name, value in {"COLUMNS": "200", **defaults, **case.environment}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "argv", [program, *(word.replace("{}", str(folder)) for word in case.command.split())])
    case.prepare(folder)
    with pytest.raises(SystemExit) as ended:
        {"anura-edge": edge_main, "anura-base": base_main}[program]()
    output = capsys.readouterr()
    return int(ended.value.code or 0), output.err


CASES = [
    *(("anura-edge", case) for case in (*EDGE_SETTINGS, *EDGE_ARGUMENTS)),
    *(("anura-base", case) for case in (*BASE_SETTINGS, *BASE_ARGUMENTS)),
]


@pytest.fixture(autouse=True)
def signal_handlers() -> Iterator[None]:
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(
    ("program", "case"), CASES, ids=lambda value: value if isinstance(value, str) else value.command
)
def test_wrong_input_gives_one_message_with_the_remedy(
    program: str,
    case: Case,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, errors = run(program, case, tmp_path, monkeypatch, capsys)
    assert code == case.code, errors
    assert "Traceback" not in errors
    assert case.words in errors
    assert case.remedy in errors
    assert "secret" not in errors
    is_usage = errors.startswith("Usage: ")  # of a wrong command line, with a box around the message
    assert is_usage or (errors.count("\n"), errors.startswith(f"{program}: ")) == (1, True)
