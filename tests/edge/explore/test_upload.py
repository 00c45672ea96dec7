"""An upload is a temporary file with a safe name."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anura_edge.errors import BusyError, ConfigError, ModelError, SourceError, UnreadableError
from anura_edge.explore.upload import TooLargeError, Upload, status_of


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@given(st.text(max_size=400))
def test_upload_of_any_name_is_stored_and_deleted(name: str) -> None:
    folder = Path(tempfile.gettempdir())
    with Upload(name) as upload:
        upload.write(b"sound")
        assert upload.path.read_bytes() == b"sound"
        assert upload.path.resolve().parent.parent == folder
        assert upload.path.stat().st_mode & 0o077 == 0 or upload.path.parent.stat().st_mode & 0o077 == 0
        assert upload.name.isprintable()
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "display_name", "file_name"),
    [
        ("SITE_20261120_193000.wav", "SITE_20261120_193000.wav", "SITE_20261120_193000.wav"),
        ("../../etc/passwd", "passwd", "passwd.au"),
        ("C:\\frogs\\pond 1.FLAC", "pond 1.FLAC", "pond_1.flac"),
        ("<img src=x>.ogg", "<img src=x>.ogg", "_img_src_x_.ogg"),
        ("..", "recording", "recording.au"),
        ("", "recording", "recording.au"),
    ],
)
def test_upload_has_a_display_name_and_a_safe_file_name(name: str, display_name: str, file_name: str) -> None:
    with Upload(name) as upload:
        assert (upload.name, upload.path.name) == (display_name, file_name)


def test_too_large_upload_is_refused_and_deleted(own_folder: Path) -> None:
    with Upload("a.wav", max_bytes=10) as upload:
        upload.write(bytes(6))
        with pytest.raises(TooLargeError, match="cut it"):
            upload.write(bytes(6))
    assert list(own_folder.iterdir()) == []


def test_unusable_folder_is_reported(own_folder: Path) -> None:
    with pytest.raises(SourceError, match="make room"), Upload("a.wav", own_folder / "gone"):
        pass


def test_every_error_has_an_http_status() -> None:
    errors = [
        TooLargeError(""),
        UnreadableError("", ""),
        SourceError(""),
        ConfigError(""),
        BusyError(""),
        ModelError(""),
    ]
    assert [status_of(error) for error in errors] == [413, 422, 422, 422, 503, 500]
