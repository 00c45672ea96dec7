"""The JSON message of an alert. Its fields are public: new ones may be added, but none is renamed."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

SCHEMA: Literal["anura-alert/1"] = "anura-alert/1"


class AlertMessage(BaseModel):
    """An alert in the JSON form that programs receive by MQTT or webhook."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    schema_id: Literal["anura-alert/1"] = Field(alias="schema", default=SCHEMA)
    id: str
    """The same at each delivery."""
    rule: str
    subject: str
    """A species at a site, a device, or a part of a device such as its disk."""
    site: str
    device: str
    moment_utc: datetime
    """When it happened or began, as far as is known."""
    fired_utc: datetime
    """When the rule raised it."""
    text: str
    """A sentence for people."""

    def to_bytes(self) -> bytes:
        """Encode as JSON."""
        return self.model_dump_json(by_alias=True).encode()
