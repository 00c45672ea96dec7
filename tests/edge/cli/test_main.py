"""The command's exit codes, messages and JSON. A user error never shows a traceback."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from threading import Event
from typing import Any

import pytest
import soundfile as sf
import typer
import yaml
from typer.testing import CliRunner

from anura_edge.audio import FloatArray
from anura_edge.cli.main import app, main
from anura_edge.inference.bundle import MODEL
from anura_edge.store.journal import Journal

LONG_AGO = 1_000_000_000

COMMAND = [sys.executable, "-W", "error", "-c", "from anura_edge.cli.main import main; main()"]

Result = subprocess.CompletedProcess[str]
Run = Callable[..., Result]


@pytest.fixture
def environment(tmp_path: Path, stream_path: Path) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ANURA__")}
    return {
        **clean,
        "COLUMNS": "200",
        "ANURA__STATE_DIR": str(tmp_path / "state"),
        "ANURA__MODEL__BUNDLE": str(stream_path),
        "ANURA__WATCH__DEBOUNCE_S": "0",
        "ANURA__WATCH__INTERVAL_S": "0.05",
    }


@pytest.fixture
def run(environment: dict[str, str]) -> Run:
    """Run the command, and check that it prints no traceback."""

    def command(*arguments: object, **settings: str) -> Result:
        changes = {f"ANURA__{name}": value for name, value in settings.items()}
        result = subprocess.run(
            [*COMMAND, *map(str, arguments)],
            capture_output=True,
            text=True,
            errors="backslashreplace",
            env={**environment, **changes},
            check=False,
        )
        assert "Traceback" not in result.stderr
        return result

    return command


@pytest.fixture
def call(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command in this process, which is faster than `run`: for commands that end before they analyse."""

    def command(*arguments: object, **settings: str) -> Result:
        changes = {f"ANURA__{key}": value for key, value in settings.items()}
        for name in os.environ.keys() - environment.keys():
            monkeypatch.delenv(name)
        for name, value in {**environment, **changes}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "argv", ["anura-edge", *map(str, arguments)])
        monkeypatch.setattr("anura_edge.cli.analyse.stop_on_signals", Event)
        with pytest.raises(SystemExit) as ended:
            main()
        output = capsys.readouterr()
        return Result(arguments, int(ended.value.code or 0), output.out, output.err)

    return command


@pytest.fixture
def card(tmp_path: Path, two_calls: Callable[..., FloatArray]) -> Path:
    card = tmp_path / "card"
    card.mkdir()
    sf.write(card / "A_20261120_193000.wav", two_calls(), 8_000)
    return card


def objects(result: Result, kind: str) -> list[Any]:
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert all(len(line) == 1 for line in lines)
    return [line[kind] for line in lines if kind in line]


def test_run_prints_events_and_summary(run: Run, card: Path) -> None:
    result = run("run", "--source", f"folder:{card}", "--json")
    assert result.returncode == 0, result.stderr
    assert [event["label"] for event in objects(result, "event")] == ["LOW", "HIGH"]
    (summary,) = objects(result, "summary")
    assert (summary["new"], summary["known"], summary["unreadable"]) == (1, 0, {})
    assert summary["events"] == {"Tonus gravis": 1, "Tonus acutus": 1}
    assert summary["seconds"] == {"analysed": 10}
    second = run("run", "--source", f"folder:{card}")
    assert second.returncode == 0
    assert "0 new recordings, 1 already analysed, 0 unreadable" in second.stdout


def test_scan_with_jobs_equals_run(run: Run, card: Path) -> None:
    result = run("scan", str(card), "--jobs", "3", "--json")
    assert result.returncode == 0, result.stderr
    assert [event["label"] for event in objects(result, "event")] == ["LOW", "HIGH"]
    (path,) = card.iterdir()
    assert "0 new recordings, 1 already analysed" in run("scan", str(path)).stdout
    assert "0 new recordings, 1 already analysed" in run("run", "--source", f"folder:{card}").stdout


def test_file_with_an_undecodable_name_is_analysed(run: Run, card: Path) -> None:
    (card / "A_20261120_193000.wav").rename(card / os.fsdecode(b"for\xeat_20261120_193000.wav"))
    (path,) = card.iterdir()
    result = run("run", "--source", f"file:{path}")
    assert result.returncode == 0, result.stderr
    assert "Tonus gravis" in result.stdout


def test_unreadable_files_have_their_exit_code(run: Run, card: Path) -> None:
    for name in ("B_20261120_200000.wav", os.fsdecode(b"C_\xff_20261120_200000.wav")):
        (card / name).touch()
        os.utime(card / name, (LONG_AGO, LONG_AGO))
    (card / "D_20261120_203000.wav").touch()
    (card / "A_Summary.txt").write_text("DATE")
    result = run("run", "--source", f"folder:{card}", "--json")
    assert result.returncode == 8
    (summary,) = objects(result, "summary")
    assert (summary["new"], summary["unreadable"], summary["left"]) == (1, {"empty": 2}, {"unfinished": 1})
    assert "B_20261120_200000.wav" in result.stderr
    assert "1 files changed in the last 10 min and are not complete, as D_20261120_203000.wav" in result.stderr
    (card / "D_20261120_203000.wav").unlink()
    second = run("run", "--source", f"folder:{card}", "--json")
    assert second.returncode == 8
    (summary,) = objects(second, "summary")
    assert (summary["known"], summary["unreadable"], summary["known_unreadable"]) == (1, {}, 2)


def test_other_settings_are_reanalysed_on_demand(run: Run, card: Path) -> None:
    run("run", "--source", f"folder:{card}")
    result = run("run", "--source", f"folder:{card}", AUDIO__UTC_OFFSET="'+10:00'")
    assert result.returncode == 0
    assert "1 analysed under other settings: --reanalyse analyses them again" in result.stdout
    reanalysed = run("run", "--source", f"folder:{card}", "--reanalyse", AUDIO__UTC_OFFSET="'+10:00'")
    assert "1 new recordings, 0 already analysed" in reanalysed.stdout
    assert "2026-11-20 09:30:02Z  Tonus gravis" in reanalysed.stdout


def test_progress_is_shown_on_a_terminal_only(environment: dict[str, str], card: Path) -> None:
    terminal, stderr = pty.openpty()
    command = [*COMMAND, "run", "--json", "--source", f"folder:{card}"]
    env = {**environment, "TERM": "xterm-256color"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, text=True, env=env) as process:
        os.close(stderr)
        shown = b""
        with suppress(OSError):  # the terminal's other end is closed
            while block := os.read(terminal, 4_096):
                shown += block
        assert process.stdout
        lines = [json.loads(line) for line in process.stdout]
    os.close(terminal)
    assert b"0 recordings, 0.0 h, 0 events, A_20261120_193000.wav" in shown
    assert b"set audio.utc_offset" in shown
    assert [*lines[-1]] == ["summary"]


@pytest.mark.parametrize(
    ("arguments", "settings", "code", "words"),
    [
        (["--source", "folder:/no/such/place"], {}, 4, "mount the card"),
        (["--source", "file:/no/such/file.wav"], {}, 4, "no file /no/such/file.wav"),
        (["--source", "satellite"], {}, 2, "write mic, folder:PATH"),
        (["--source", "folder:"], {}, 2, "write mic, folder:PATH"),
        (["--source", "mic:0"], {}, 2, "write mic, folder:PATH"),
        ([], {}, 2, "write --source mic"),
        (["--source", "file:/tmp"], {}, 4, "or write folder:PATH"),
        (["--source", "file:/etc/hostname", "--watch"], {}, 2, "--watch needs a folder"),
        (["--source", "mic", "--watch"], {"AUDIO__MICROPHONE": "no such thing"}, 2, "--watch needs a folder"),
        (["--source", "folder:/tmp"], {"MODEL__BUNDLE": "/no/such/bundle"}, 3, "no model bundle"),
        (["--source", "folder:/tmp"], {"STATE_DIR": "/dev/null/state"}, 5, "journal"),
        (["--source", "folder:/tmp"], {"DETECT__THRESHOLD": "7"}, 2, "ANURA__DETECT__THRESHOLD"),
        (["--source", "folder:/tmp", "--config", "/no/such.yaml"], {}, 2, "/no/such.yaml"),
    ],
)
def test_user_error_has_a_message_and_an_exit_code(
    call: Run, arguments: list[str], settings: dict[str, str], code: int, words: str
) -> None:
    result = call("run", *arguments, **settings)
    assert words in result.stderr
    assert result.stderr.startswith("anura-edge: ")
    assert result.returncode == code


def test_damaged_bundle_is_reported(call: Run, card: Path, own_bundle: Path) -> None:
    content = bytearray((own_bundle / MODEL).read_bytes())
    content[-1] ^= 1
    (own_bundle / MODEL).write_bytes(content)
    for arguments in (
        ["run", "--source", f"folder:{card}"],
        ["model", "verify", own_bundle],
        ["model", "info", own_bundle],
    ):
        result = call(*arguments, MODEL__BUNDLE=str(own_bundle))
        assert result.returncode == 3
        assert "model.onnx is damaged" in result.stderr


def test_valid_bundle_is_shown_and_verified(call: Run, stream_path: Path) -> None:
    assert "4 files as listed" in call("model", "verify", stream_path).stdout
    assert "Tonus gravis" in call("model", "info", stream_path).stdout
    assert json.loads(call("model", "info", stream_path, "--json").stdout)["id"] == "tones"


def test_worth_of_the_model_is_shown(call: Run, card: Path, own_bundle: Path) -> None:
    manifest = json.loads((own_bundle / "manifest.json").read_text())
    manifest["metrics"] = [
        {"name": name, "value": value, "protocol": "97 recordings"}
        for name, value in (
            ("recordings found, preset default", 58.8),
            ("recordings wrong, preset default", 9.3),
            ("false alarms, all kinds, preset default", 0.5),
            ("false alarms, rain, preset default", 0.25),
        )
    ]
    manifest["labels"][0] |= {"sensitive": 0.25, "strict": 0.75, "is_reliable": False}
    (own_bundle / "manifest.json").write_text(json.dumps(manifest))
    info = call("model", "info", own_bundle).stdout
    assert re.search(r"LOW .* 0\.5. / 0\.25 / 0\.75  unreliable\n", info)
    assert "cause no alert" in info
    assert "false alarms, all kinds, preset default 0.5: 97 recordings" in info
    assert "rain" not in info
    scan = call("scan", card, MODEL__BUNDLE=str(own_bundle)).stdout
    assert "finds the right species in 59 and only a wrong one in 9 (preset default)" in scan


def test_config_check_names_the_line_and_the_key(call: Run, tmp_path: Path) -> None:
    path = tmp_path / "anura.yaml"
    path.write_text("device:\n  site: pond\n")
    assert call("config", "check", path).stdout == f"{path}: no errors\n"
    path.write_text("device:\n  stie: pond\n")
    result = call("config", "check", path)
    assert result.returncode == 2
    assert result.stderr == f"anura-edge: {path}:2: unknown key 'device.stie'; did you mean 'site'?\n"


@pytest.mark.parametrize(
    ("key", "content", "words"),
    [
        ("ack_key_file", b"not a key", "has no key; write what `anura-base device key` prints"),
        ("ca_file", b"not a certificate", "give PEM files"),
        ("password_file", "secret".encode("utf-16"), "is not text in UTF-8"),
        ("password_file", b"", "is empty"),
    ],
)
def test_config_check_and_doctor_refuse_unusable_secrets(
    call: Run, tmp_path: Path, key: str, content: bytes, words: str
) -> None:
    (tmp_path / "secret").write_bytes(content)
    path = tmp_path / "anura.yaml"
    path.write_text(
        f"device: {{site: pond, name: one}}\nmqtt: {{host: 127.0.0.1, port: 1, {key}: {tmp_path / 'secret'}}}\n"
    )
    result = call("config", "check", path)
    assert (result.returncode, words in result.stderr) == (2, True), result.stderr
    assert words in call("doctor", "--config", path).stdout


def test_config_check_refuses_a_file_as_state_folder(call: Run, environment: dict[str, str], tmp_path: Path) -> None:
    environment["ANURA__STATE_DIR"] = str(tmp_path / "anura.yaml" / "state")
    (tmp_path / "anura.yaml").write_text("device: {site: pond}\n")
    result = call("config", "check", tmp_path / "anura.yaml")
    assert (result.returncode, "is a file; name a folder" in result.stderr) == (2, True)


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("source: micro\n", 2, "write mic, folder:PATH or file:PATH, not 'micro'"),
        ("source: folder:/no/such/place\n", 4, "no folder /no/such/place"),
        ("source: file:/no/such/file.wav\n", 4, "no file /no/such/file.wav"),
        ("source: folder:/tmp\ndetect:\n  thresholds:\n    UNICORN: 0.5\n", 2, "the model has no ['UNICORN']"),
        ("source: folder:/tmp\nmodel:\n  bundle: /no/such/bundle\n", 3, "no model bundle"),
    ],
)
def test_config_check_and_doctor_refuse_what_run_refuses(
    call: Run, environment: dict[str, str], tmp_path: Path, text: str, code: int, words: str
) -> None:
    path = tmp_path / "anura.yaml"
    path.write_text(text)
    if "bundle" in text:
        del environment["ANURA__MODEL__BUNDLE"]
    for command in (["run", "--config", path], ["config", "check", path]):
        result = call(*command)
        assert (result.returncode, words in result.stderr) == (code, True), result.stderr
    result = call("doctor", "--config", path)
    assert result.returncode != 0
    assert words in result.stdout + result.stderr


def test_explore_skips_an_unreadable_recording(call: Run, card: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[Path] = []
    monkeypatch.setattr("anura_edge.explore.server.serve", lambda _settings, files, *_rest: shown.extend(files))
    monkeypatch.setattr("anura_edge.cli.explore.stop_on_signals", Event)
    empty, readable = card / "EMPTY.WAV", next(card.rglob("*.wav"))
    empty.touch()
    result = call("explore", empty, readable)
    assert (result.returncode, shown) == (0, [readable.resolve()])
    assert f"{empty}: 0 bytes" in result.stderr
    assert result.stderr.count("\n") == 1
    assert call("explore", empty).returncode == 4


def test_terminal_without_unicode_shows_escapes(run: Run, tmp_path: Path, environment: dict[str, str]) -> None:
    environment["PYTHONIOENCODING"] = "latin-1"
    result = run("scan", tmp_path / "\N{FROG FACE}")
    assert result.returncode == 4
    assert "\\U0001f438" in result.stderr


def test_state_folder_follows_the_desktop_standard(
    call: Run, environment: dict[str, str], card: Path, tmp_path: Path
) -> None:
    del environment["ANURA__STATE_DIR"]
    environment["XDG_STATE_HOME"] = str(tmp_path / "xdg")
    assert call("scan", card).returncode == 0
    assert (tmp_path / "xdg" / "anura-edge" / "journal.db").is_file()


def test_config_show_prints_a_valid_file(call: Run, tmp_path: Path) -> None:
    path = tmp_path / "anura.yaml"
    path.write_text(call("config", "show").stdout)
    assert yaml.safe_load(path.read_text())["schema"] == 1
    assert call("config", "check", path).returncode == 0
    assert call("config", "show", "--config", path).stdout == path.read_text()


def test_config_schema_is_json(call: Run) -> None:
    assert json.loads(call("config", "schema").stdout)["type"] == "object"


def test_closed_output_pipe_is_no_traceback(environment: dict[str, str], card: Path) -> None:
    process = subprocess.Popen(
        [*COMMAND, "run", "--json", "--source", f"folder:{card}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    assert process.stdout
    process.stdout.close()
    assert process.stderr
    assert "Traceback" not in process.stderr.read()
    process.stderr.close()
    assert process.wait() == 1


def test_full_output_device_does_not_stop_the_analysis(environment: dict[str, str], card: Path) -> None:
    with Path("/dev/full").open("w") as full:
        command = [*COMMAND, "run", "--source", f"folder:{card}"]
        result = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, env=environment, check=False)
    assert result.stderr.count("cannot print") == 1
    assert "Traceback" not in result.stderr
    assert result.returncode == 0
    with closing(Journal(Path(environment["ANURA__STATE_DIR"]) / "journal.db")) as journal:
        assert len(journal.event_ids()) == 2


def test_home_folder_stays_empty(environment: dict[str, str], card: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    command = [*COMMAND, "run", "--source", f"folder:{card}"]
    subprocess.run(command, env={**environment, "HOME": str(home)}, stdout=subprocess.DEVNULL, check=True)
    assert not [*home.iterdir()]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_watch_reports_new_files_until_a_signal(
    environment: dict[str, str], card: Path, number: signal.Signals, two_calls: Callable[..., FloatArray]
) -> None:
    with subprocess.Popen(
        [*COMMAND, "run", "--json", "--watch", "--source", f"folder:{card}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    ) as process:
        assert process.stdout
        assert process.stderr
        lines = [process.stdout.readline() for _ in range(2)]
        sf.write(card / "growing.tmp", two_calls()[::-1], 8_000, format="WAV")
        (card / "growing.tmp").rename(card / "B_20261120_200000.wav")
        lines += [process.stdout.readline() for _ in range(2)]
        process.send_signal(number)
        rest, errors = process.communicate(timeout=60)
        assert [json.loads(line)["event"]["label"] for line in lines] == ["LOW", "HIGH", "HIGH", "LOW"]
        assert json.loads(rest)["summary"]["new"] == 2
        assert process.returncode == 0
        assert errors.splitlines() == [errors.strip()]
        assert "set audio.utc_offset" in errors  # the file names contain local times without an offset


def commands_of(command: Any, words: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Return the words of each command below a group."""
    groups = getattr(command, "commands", {}).items()
    return [below for name, sub in groups for below in commands_of(sub, (*words, name))] or [words]


@pytest.mark.parametrize("command", commands_of(typer.main.get_command(app)), ids=" ".join)
def test_every_command_has_help_with_an_example(command: tuple[str, ...]) -> None:
    result = CliRunner().invoke(app, [*command, "--help"])
    assert result.exit_code == 0
    assert f"Example: anura-edge {' '.join(command)}" in result.stdout


def test_version_is_printed(call: Run) -> None:
    assert call("--version").stdout.strip()
    assert call("--no-such-option").returncode == 2


def test_card_check_changes_nothing(run: Run, card: Path) -> None:
    before = sorted((path.name, path.stat().st_mtime_ns) for path in card.iterdir())
    result = run("card", "check", card)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("1 recordings, 10.0 s to analyse; 0 other files")
    (card / "A_20261120_200000.wav").touch()
    result = run("card", "check", card, "--json", AUDIO__UTC_OFFSET="'-03:00'")
    assert result.returncode == 8
    assert [file["state"] for file in objects(result, "file")] == ["whole", "empty"]
    assert objects(result, "recorder")[0]["first_utc"] == "2026-11-20T22:30:00+00:00"
    assert objects(result, "card")[0]["unreadable"] == 1
    (card / "A_20261120_200000.wav").unlink()
    assert sorted((path.name, path.stat().st_mtime_ns) for path in card.iterdir()) == before


def test_missing_card_is_named(call: Run, tmp_path: Path) -> None:
    result = call("card", "check", tmp_path / "nothing")
    assert result.returncode == 4
    assert "nothing" in result.stderr


@pytest.mark.parametrize("command", [("scan",), ("card", "check"), ("explore",)])
def test_empty_path_is_refused(
    call: Run, card: Path, command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As from an unset variable in `anura-edge scan "$CARD"`: it must not mean the current folder."""
    monkeypatch.chdir(card)
    result = call(*command, "")
    assert (result.returncode, "empty" in result.stderr) == (2, True)


def test_folder_without_recordings_is_told(run: Run, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    result = run("scan", tmp_path / "empty")
    assert (result.returncode, f"{tmp_path / 'empty'}: no recordings" in result.stderr) == (8, True)
    (tmp_path / "empty" / "notes.txt").write_text("none")
    assert run("scan", tmp_path / "empty").returncode == 8
    checked = run("card", "check", tmp_path / "empty")
    assert (checked.returncode, "! no recordings" in checked.stdout) == (8, True)


def test_links_are_told(run: Run, card: Path, tmp_path: Path) -> None:
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "a.wav").symlink_to(next(card.iterdir()))
    (tmp_path / "links" / "card").symlink_to(card)
    result = run("scan", tmp_path / "links")
    assert (result.returncode, "2 links were not followed, as a.wav" in result.stderr) == (8, True)
    checked = run("card", "check", tmp_path / "links")
    assert (checked.returncode, "2 links were not followed" in checked.stdout) == (8, True)


def test_audio_that_cannot_be_decoded_is_named(run: Run, tmp_path: Path) -> None:
    """By content or by suffix: a file of unknown suffix is not passed over in silence."""
    contents = {
        "a.m4a": b"\0\0\0\x20ftypM4A " + bytes(500),
        "b.wma": bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c") + bytes(500),
        "c.wv": b"wvpk" + bytes(500),
        "d.data": b"wvpk" + bytes(500),
        "e": b"\0\0\0\x20ftypM4A " + bytes(500),
    }
    (tmp_path / "card").mkdir()
    for name, content in contents.items():
        (tmp_path / "card" / name).write_bytes(content)
    (tmp_path / "card" / "notes.txt").write_text("none")
    result = run("scan", tmp_path / "card")
    assert (result.returncode, "unsupported: 5" in result.stdout, "ffmpeg" in result.stderr) == (8, True, True)
    assert run("card", "check", tmp_path / "card").returncode == 8


def test_audio_of_any_suffix_is_analysed(call: Run, card: Path) -> None:
    (path,) = card.iterdir()
    path.rename(card / "A_20261120_193000.data")
    result = call("scan", card)
    assert (result.returncode, "1 new recordings" in result.stdout) == (0, True)


def test_folder_that_cannot_be_opened_is_named_by_card_check(
    call: Run, card: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (card / "locked").mkdir()
    listing = os.scandir

    def refuse(folder: os.PathLike[str]) -> Any:
        if Path(folder).name == "locked":
            raise PermissionError(13, os.strerror(13))
        return listing(folder)

    monkeypatch.setattr(os, "scandir", refuse)
    checked = call("card", "check", card)
    assert (checked.returncode, "locked: Permission denied" in checked.stdout) == (8, True)
    assert "locked: Permission denied" in call("card", "check", card, "--json").stdout
    assert call("scan", card).returncode == 8
