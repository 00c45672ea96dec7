"""Check the device regularly. Report its health to the base station, to systemd's watchdog and to Prometheus."""

import logging
import time
from collections.abc import Callable
from threading import Event, Thread

from anura_edge.health import prometheus
from anura_edge.health.report import HUNG, DeviceParts, HealthReport
from anura_edge.system import systemd

log = logging.getLogger(__name__)

CHECK_INTERVAL_S = 5.0
"""Longest time between two checks. The watchdog and the health interval may require shorter ones."""


class Monitor:
    """A thread that checks the device's parts. A failed check never stops it."""

    def __init__(self, parts: DeviceParts) -> None:
        self._parts, self._report = parts, HealthReport(parts)
        self._stop = Event()
        self._thread = Thread(target=self._run, name="monitor", daemon=True)
        self._watchdog_is_fed = True
        self._report_due_s = 0.0
        self._last_failure = ""

    def start(self) -> None:
        """Tell systemd that the device is ready, and start the checks."""
        systemd.notify(systemd.READY)
        self._thread.start()

    def stop(self) -> None:
        """Tell systemd that the device stops, and end the checks."""
        systemd.notify(systemd.STOPPING)
        self._stop.set()
        self._thread.join()

    def publish_last(self) -> None:
        """Publish the health at the end of the run. The base station shows it until the next one."""
        self._report_due_s = 0.0
        self._attempt(self._publish)

    def _run(self) -> None:
        watchdog_s = systemd.watchdog_s()
        # sd_watchdog_enabled(3) recommends half the time that the manager waits.
        interval_s = min(CHECK_INTERVAL_S, self._parts.settings.interval_s, (watchdog_s or CHECK_INTERVAL_S) / 2)
        parts = self._parts
        checks = [self._feed_watchdog, parts.disk.check, parts.power.check, self._retry_writes, self._publish]
        checks += [parts.settings_trial.check] if parts.settings_trial else []
        while not self._stop.is_set():
            for check in checks:
                self._attempt(check)
            self._stop.wait(interval_s)

    def _attempt(self, check: Callable[[], None]) -> None:
        try:
            check()
        except Exception as error:  # any error: without this thread the watchdog would end a device that works
            if str(error) != self._last_failure:
                log.warning("a health check failed: %s", error)
            self._last_failure = str(error)

    def _feed_watchdog(self) -> None:
        overdue = self._parts.heartbeats.overdue()
        if not overdue:
            systemd.notify(systemd.WATCHDOG)
        elif self._watchdog_is_fed:
            log.error("%s; no more watchdog signals are sent", "; ".join(HUNG[stage] for stage in overdue))
        self._watchdog_is_fed = not overdue

    def _retry_writes(self) -> None:
        if self._parts.writer.is_full:
            self._parts.writer.retry()

    def _publish(self) -> None:
        if time.monotonic() < self._report_due_s:
            return
        self._report_due_s = time.monotonic() + self._parts.settings.interval_s
        health = self._report.read()
        systemd.notify(systemd.status("; ".join(health.problems) or f"well; {health.pending} rows wait"))
        if self._parts.delivery:
            self._parts.delivery.publish_health(health)
        if path := self._parts.settings.prometheus_file:
            prometheus.write(path, health)
