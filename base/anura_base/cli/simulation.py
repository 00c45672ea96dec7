"""The commands `anura-base simulate` and `demo`."""

from datetime import UTC, datetime
from time import monotonic
from typing import Annotated

import typer

from anura_base.cli.options import WebAddress
from anura_base.config.settings import load

Devices = Annotated[int, typer.Option(min=1, max=1_000, help="Number of devices, at six sites.")]
Nights = Annotated[int, typer.Option(min=1, max=3_660, help="Number of nights.")]
Seed = Annotated[int, typer.Option(min=0, help="The same number gives the same season.")]


def simulate(
    mqtt: Annotated[str, typer.Option(metavar="HOST:PORT", help="The broker of a running base station.")],
    devices: Devices = 12,
    nights: Nights = 60,
    seed: Seed = 1,
    until: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"],
            help="Date of the last night. The default is the last night that is over at the sites.",
        ),
    ] = None,
    as_if: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="Date in the calendar of the frogs for the last night."),
    ] = None,
) -> None:
    """Send a simulated season to a base station: calls, weather, and devices with faults.

    Example: anura-base simulate --mqtt 127.0.0.1:1883 --devices 12 --nights 60
    """
    from anura_base.simulate import demo as season_demo
    from anura_base.simulate import messages, sender

    broker = load(None, None, mqtt, None).mqtt
    last = until.date() if until else season_demo.last_complete_night(datetime.now(UTC))
    calendar = as_if.date() if as_if else None
    fleet = sender.FleetSender(broker.host, broker.port)
    started_s = monotonic()
    sent = fleet.send_all(messages.season_messages(devices, nights, seed, last, calendar))
    fleet.close()
    elapsed_s = monotonic() - started_s
    typer.echo(f"{sent.events:,} calls in {sent.rows:,} rows acknowledged in {elapsed_s:.0f} s")


def demo(
    web: Annotated[str, WebAddress] = "127.0.0.1:0",
    devices: Devices = 12,
    nights: Nights = 60,
    seed: Seed = 1,
) -> None:
    """Start a base station with a simulated season. It needs mosquitto, and deletes its data at the end.

    Example: anura-base demo --web 127.0.0.1:8080
    """
    from anura_base.simulate import demo as season_demo

    season_demo.run_demo(load(None, None, None, web).web, devices, nights, seed, typer.echo)
