"""Settings of digests: which sites, when, and to whom."""

from pydantic import Field

from anura_edge.config.yaml_loader import Section, Zone
from anura_edge.wire import Name


class DigestSettings(Section):
    """A digest of each night: species, effort, anomalies, and the devices that need attention."""

    at: str = Field(default="08:00", pattern=r"^([01]\d|2[0-3]):[0-5]\d$")
    """Local time at which the digest of last night is sent. Choose a time at which the devices have delivered."""
    zone: Zone = "UTC"
    """Time zone of `at`, as in America/Sao_Paulo."""
    sites: tuple[Name, ...] = ()
    """Sites of the digest; empty for all sites. List them for a digest of one site."""
    channels: tuple[str, ...] | None = None
    """Channels of `alerts` that deliver the digest: `mqtt`, `mail` and the names of webhooks. Without it, all channels.
    Several digests may have different channels."""
