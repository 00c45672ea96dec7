"""What a worker does: it analyses the files of one shard, and returns their part."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from anura_edge import __version__
from anura_edge.app.scan_files import BLOCK_S
from anura_edge.cluster.archive import ArchiveFile, local_copy
from anura_edge.cluster.part import FileResult, encode
from anura_edge.config.device import Config
from anura_edge.detection.detector import Detector
from anura_edge.detection.pipeline import analyse
from anura_edge.errors import ModelError, UnreadableError
from anura_edge.inference.loading import load_model
from anura_edge.sources.files.open_file import check_kind, is_unchanged, open_file
from anura_edge.sources.files.regular_file import INTERRUPTED


@dataclass(frozen=True, slots=True)
class AnalysisJob:
    """What the worker of any shard must know: the settings as JSON, and which model and version the client has."""

    settings: str
    model_sha256: str
    config_hash: str
    app_version: str = __version__

    @property
    def key(self) -> str:
        """Identify what shapes the rows."""
        return f"{self.model_sha256} {self.config_hash} {self.app_version}"


def analyse_shard(job: AnalysisJob, files: tuple[ArchiveFile, ...]) -> bytes:
    """Analyse files and return their part. A file that cannot be read has its reason there.

    Raises ModelError or ConfigError if this worker cannot analyse what the client asks for.
    """
    config, detector = _prepare(job)
    return encode(_analyse_file(file, config, detector) for file in files)


@lru_cache(maxsize=1)
def _prepare(job: AnalysisJob) -> tuple[Config, Detector]:
    """Load the model, once in each process of a worker."""
    if job.app_version != __version__:
        raise ModelError(f"this worker has anura-edge {__version__}, the client {job.app_version}; install that")
    config = Config.model_validate_json(job.settings)
    bundle, classifier = load_model(config.model, config.engines_path)
    if bundle.model_sha256 != job.model_sha256:
        raise ModelError(f"{bundle.path} on this worker is not the model of the client; copy the client's bundle")
    return config, Detector(bundle, classifier, config.detect, BLOCK_S)


def _analyse_file(file: ArchiveFile, config: Config, detector: Detector) -> FileResult:
    path = Path(file.location)
    try:
        with local_copy(file) as path:
            return _analyse_copy(file, path, config, detector)
    except UnreadableError as error:
        return _failed(file, error.reason, str(error).replace(str(path), file.location))


def _failed(file: ArchiveFile, reason: str, detail: str) -> FileResult:
    return FileResult(name=file.name, size=file.size, mtime_ns=file.mtime_ns, reason=reason, detail=detail)


def _analyse_copy(file: ArchiveFile, path: Path, config: Config, detector: Detector) -> FileResult:
    check_kind(path)
    sound = open_file(path, file.name, config.audio.zone)
    outputs = list(analyse(sound, detector, config.audio.channel))
    if not is_unchanged(sound):
        raise UnreadableError(INTERRUPTED, f"{file.location} changed or was removed during the analysis")
    error = outputs[-1].read_error
    if error and error.reason == INTERRUPTED:
        raise error
    return FileResult(
        name=file.name,
        size=file.size,
        mtime_ns=file.mtime_ns,
        recording=sound.recording,
        identity=sound.identity,
        events=tuple(event for output in outputs for event in output.events),
        efforts=tuple(effort for output in outputs for effort in output.efforts),
        reason=error.reason if error else "",
        detail=str(error).replace(str(path), file.location) if error else "",
    )


def lost_result(file: ArchiveFile) -> FileResult:
    """Return the result of a file whose analysis ended several workers."""
    detail = f"{file.location}: several workers ended while they analysed it; analyse it by itself"
    return _failed(file, "worker_lost", detail)
