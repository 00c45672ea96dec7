"""The pages with all settings of the device and of the base station."""

from anura_base.config.settings import ENV_PREFIX, Settings
from anura_edge.config.device import Config
from reference_pages.fields import sections
from reference_pages.markdown import page


def device_page() -> str:
    """Return the page of the device's settings."""
    return page(
        "Settings of the device",
        "`anura-edge` reads one YAML file (`--config FILE`), checks it completely at the start and refuses unknown "
        "keys. Without a file all defaults apply. An environment variable `ANURA__SECTION__KEY` overrides the file, as "
        "in `ANURA__MQTT__HOST=broker.example.org`. `anura-edge config show` prints all settings in effect, and "
        "`anura-edge config check FILE` checks a file.",
        "A key without a default may be absent.",
        *sections(Config),
    )


def base_page() -> str:
    """Return the page of the base station's settings."""
    return page(
        "Settings of the base station",
        "`anura-base` reads one YAML file (`--config FILE`), checks it completely at the start and refuses unknown "
        f"keys. Without a file all defaults apply. An environment variable `{ENV_PREFIX}SECTION__KEY` overrides the "
        f"file, as in `{ENV_PREFIX}WEB__PORT=8081`, and a command-line option overrides both.",
        "A key without a default may be absent.",
        *sections(Settings),
    )
