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

    @property
    def topic(self) -> str:
        """The MQTT topic."""
        return f"anura/v1/alerts/{self.rule}"

    @property
    def sent_utc(self) -> datetime:
        """The date of the e-mail."""
        return self.fired_utc

    @property
    def subject_line(self) -> str:
        """The subject of the e-mail."""
        return f"anura: {self.text}"

    @property
    def plain(self) -> str:
        """The text of the e-mail."""
        return (
            f"{self.text}.\n\nRule: {self.rule}\nSubject: {self.subject}\nSite: {self.site}\nDevice: {self.device}\n"
            f"When: {self.moment_utc:%Y-%m-%d %H:%M:%S} UTC\n"
        )

    @property
    def html(self) -> str:
        """An alert has no HTML."""
        return ""

    def to_bytes(self) -> bytes:
        """Encode as JSON."""
        return self.model_dump_json(by_alias=True).encode()
