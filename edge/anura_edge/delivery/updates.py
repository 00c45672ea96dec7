"""Carries out the base station's orders about models and settings, and reports the results.

An order needs the MAC of a base station with the key of this device. Messages go one at a time, and only while no row
waits, so no model delays an alert.
"""

import logging
from collections.abc import Callable

from anura_edge import wire
from anura_edge.config.device import Config, DeviceSettings
from anura_edge.config.remote_settings import RemoteSettings
from anura_edge.delivery.connection import MqttConnection
from anura_edge.delivery.events import CommandReceived, ConnectionEvent, PubackReceived
from anura_edge.delivery.model_download import ModelDownloader
from anura_edge.errors import AnuraError, ConfigError

log = logging.getLogger(__name__)


class SettingsReceiver:
    """Applies changes of the settings. Only the delivery thread uses it."""

    def __init__(
        self,
        remote: RemoteSettings,
        own: Config,
        check: Callable[[Config], None],
        restart: Callable[[str], None] | None,
    ) -> None:
        """`own` are the settings without any change, and `check` raises AnuraError if `run` would refuse some.

        `restart` ends the program, which begins again with the new settings. None if nothing would start it again.
        """
        self._remote, self._own, self._check, self._restart = remote, own, check, restart
        self._report: wire.SettingsReport | None = None

    def begin(self) -> None:
        """Report the last outcome over a new connection. While it is a trial, the base station answers."""
        self._report = self._outcome()

    def change(self, change: wire.SettingsChange) -> None:
        """Use new settings, or report why not."""
        last = self._remote.state.number
        if change.number < last:
            log.warning("an old change of the settings was ignored")
            return
        if change.number > last:
            self._apply(change)
        self._report = self._outcome()

    def kept(self, order: wire.SettingsKept) -> None:
        """Keep the change: the base station hears from this device."""
        if self._remote.keep(order.number):
            log.info("the new settings are kept")
            self._report = self._outcome()

    def next_message(self) -> wire.SettingsReport | None:
        """Return the next message to the base station, if there is one."""
        report, self._report = self._report, None
        return report

    def _apply(self, change: wire.SettingsChange) -> None:
        try:
            if self._restart is None:
                raise ConfigError("nothing would start this device again: run it as a service")
            config = self._remote.preview(self._own, change)
            self._check(config)
        except AnuraError as error:
            log.warning("a change of the settings was refused: %s", error)
            self._remote.refuse(change.number, str(error))
            return
        self._remote.accept(change)
        self._restart("to use the settings of the base station")

    def _outcome(self) -> wire.SettingsReport | None:
        state = self._remote.state
        if state.state is None or (state.before is not None and not state.starts):
            return None  # before the restart: what the base station hears now is no sign that the new settings work
        return wire.SettingsReport(number=state.number, state=state.state, detail=state.detail.replace("\0", "?"))


class UpdateReceiver:
    """Checks who sent an order, and answers. It outlives connections. Only the delivery thread uses it."""

    def __init__(
        self, models: ModelDownloader, settings: SettingsReceiver, device: DeviceSettings, key: bytes | None
    ) -> None:
        self._models, self._settings, self._device, self._key = models, settings, device, key
        self._connection: MqttConnection | None = None
        self._in_flight: int | None = None
        self._refusal: wire.Update | None = None
        self._has_warned = False

    def begin(self, connection: MqttConnection) -> None:
        """Use another connection."""
        self._connection, self._in_flight = connection, None
        self._models.begin()
        self._settings.begin()

    def close(self) -> None:
        """End the thread that installs models."""
        self._models.close()

    def handle(self, event: ConnectionEvent | None) -> None:
        """Act on what happened on the connection."""
        match event:
            case PubackReceived(mid) if mid == self._in_flight:
                self._in_flight = None
                if not event.accepted and not self._has_warned:
                    self._has_warned = True
                    log.warning("the broker does not pass on results of orders: %s", event.reason)
            case CommandReceived(wire.ModelPart() as part):
                self._models.part(part)
            case CommandReceived(wire.ModelOffer() | wire.SettingsChange() | wire.SettingsKept() as order):
                if self._is_trusted(order):
                    self._obey(order)

    def send(self) -> None:
        """Send the next message, if none is in flight. Call it only while no row waits."""
        if self._in_flight is not None or self._connection is None:
            return
        message = self._refusal or self._settings.next_message() or self._models.next_message()
        self._refusal = None
        if message:
            topic = wire.topic(self._device.site, self._device.name, "update")
            self._in_flight = self._connection.publish(topic, message.to_bytes())

    def _is_trusted(self, order: wire.ModelOffer | wire.SettingsChange | wire.SettingsKept) -> bool:
        if (order.site, order.device) != (self._device.site, self._device.name):
            return False
        if self._key is None:
            self._refusal = _refusal(
                order, "this device has no mqtt.ack_key_file, so it takes no orders; join it again"
            )
            return False
        if not order.is_signed(self._key):
            log.warning("an order without a right MAC was ignored; check mqtt.ack_key_file")
            return False
        return True

    def _obey(self, order: wire.ModelOffer | wire.SettingsChange | wire.SettingsKept) -> None:
        match order:
            case wire.ModelOffer():
                self._models.offer(order)
            case wire.SettingsChange():
                self._settings.change(order)
            case wire.SettingsKept():
                self._settings.kept(order)


def _refusal(order: wire.ModelOffer | wire.SettingsChange | wire.SettingsKept, reason: str) -> wire.Update | None:
    match order:
        case wire.ModelOffer():
            return wire.ModelReport(number=order.number, state="refused", detail=reason)
        case wire.SettingsChange():
            return wire.SettingsReport(number=order.number, state="refused", detail=reason)
    return None
