"""The join file: all that a device needs to know about its broker and base station, in one file of JSON.

`anura-base provision` writes it, and `anura-edge join` reads it. It contains secrets, so nothing prints its content.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from anura_edge.errors import ConfigError
from anura_edge.wire.types import Name

MAX_BYTES = 100_000
"""Size limit of a join file. One with a certificate has about 4 kB."""

Secret = Annotated[str, Field(min_length=1, max_length=10_000, pattern=r"^[\x20-\x7e\n]+$")]
Line = Annotated[str, Field(pattern=r"^[\x21-\x7e]{1,256}$")]


class JoinFile(BaseModel):
    """The content of a join file. Unknown fields are ignored."""

    model_config = ConfigDict(frozen=True)

    schema_id: Literal["anura-join/1"] = Field(alias="schema", default="anura-join/1")
    site: Name
    device: Name
    host: Annotated[str, Field(max_length=253, pattern=r"^[A-Za-z0-9.:_-]+$")]
    """Name or address of the broker, as its certificate has it."""
    port: Annotated[int, Field(ge=1, le=65_535)]
    password: Line
    ca: Secret
    """Certificate of the authority that signed the broker's certificate, in PEM format."""
    ack_key: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    """Key of the acknowledgements for this device."""
    certificate: Secret | None = None
    """The device's own certificate, in PEM format, if the broker demands one."""
    private_key: Secret | None = None
    """The key of that certificate."""

    @property
    def username(self) -> str:
        """Name of the device at the broker, which ties it to the topics of its site and name."""
        return f"{self.site}/{self.device}"

    def __repr__(self) -> str:
        """Return the name only: everything else may be a secret, and a traceback shows it."""
        return f"JoinFile({self.username})"


def read_join_file(path: Path) -> JoinFile:
    """Read a join file.

    Raises ConfigError, which contains nothing of the file.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}; name the file of `anura-base provision`") from error
    try:
        return JoinFile.model_validate_json(content)
    except ValidationError:  # its text contains the values, which are secrets
        reason = f"{path} is not a join file; make one with `anura-base provision SITE/DEVICE`"
        raise ConfigError(reason) from None
