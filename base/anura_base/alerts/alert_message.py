"""What an alert says to programs. Its field names are public: they may be added, never renamed."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

SCHEMA: Literal["anura-alert/1"] = "anura-alert/1"


class AlertMessage(BaseModel):
    """Something that a rule told."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    schema_id: Literal["anura-alert/1"] = Field(alias="schema", default=SCHEMA)
    id: str
    """The same however often it is delivered."""
    rule: str
    subject: str
    """What it is about: a species at a site, a device, a device's disk."""
    site: str
    device: str
    moment_utc: datetime
    """When it happened or began, as far as is known."""
    fired_utc: datetime
    """When it was found out."""
    text: str
    """A sentence for people."""

    def to_bytes(self) -> bytes:
        """Encode as JSON."""
        return self.model_dump_json(by_alias=True).encode()
