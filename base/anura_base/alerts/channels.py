"""Channels for alerts and digests: the MQTT broker, webhooks and e-mail."""

import base64
import binascii
import hashlib
import hmac
import smtplib
import ssl
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime
from pathlib import Path
from typing import Protocol

import httpx2

from anura_base.config.alerts import AlertSettings, MailSettings, WebhookSettings
from anura_edge.config.yaml_loader import read_password
from anura_edge.errors import ConfigError, DeliveryError


class ChannelMessage(Protocol):
    """What a channel can deliver."""

    @property
    def id(self) -> str:
        """The same at each delivery."""

    @property
    def topic(self) -> str:
        """The MQTT topic."""

    @property
    def sent_utc(self) -> datetime:
        """The date of the e-mail."""

    @property
    def subject_line(self) -> str:
        """The subject of the e-mail."""

    @property
    def plain(self) -> str:
        """The text of the e-mail."""

    @property
    def html(self) -> str:
        """The same as HTML; empty if there is none."""

    def to_bytes(self) -> bytes:
        """Return the JSON for programs."""


Channel = Callable[[ChannelMessage], None]
"""Returns when the receiver has the message. Raises DeliveryError."""

PublishAndWait = Callable[[str, bytes, float], None]
"""Publishes a payload under a topic within a timeout in seconds. Raises DeliveryError."""

BROKER_TIMEOUT_S = 10.0


def open_channels(alerts: AlertSettings, publish: PublishAndWait) -> Mapping[str, Channel]:
    """Return the channels of the settings, by name.

    Raises ConfigError when a password, secret or certificate file cannot be used.
    """
    channels: dict[str, Channel] = {}
    if alerts.mqtt:
        channels["mqtt"] = lambda message: publish(message.topic, message.to_bytes(), BROKER_TIMEOUT_S)
    if alerts.mail is not None:
        channels["mail"] = _mail(alerts.mail)
    for name, webhook in alerts.webhooks.items():
        channels[name] = _webhook(name, webhook)
    return channels


def _webhook(name: str, settings: WebhookSettings) -> Channel:
    secret = _secret(name, settings.secret_file)

    def send(message: ChannelMessage) -> None:
        body = message.to_bytes()
        headers = {"Content-Type": "application/json", **signature(secret, message.id, int(time.time()), body)}
        try:
            # No redirects and no proxy from the environment: only the configured address receives it. Of the
            # response only the status is read, because a body could be of any length.
            with (
                httpx2.Client(timeout=settings.timeout_s, follow_redirects=False, trust_env=False) as client,
                client.stream("POST", settings.url, content=body, headers=headers) as response,
            ):
                status = response.status_code
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            raise DeliveryError(f"{type(error).__name__}: {error}") from error
        if not 200 <= status < 300:
            raise DeliveryError(f"the web server answered with status {status}")

    return send


def signature(secret: bytes, message_id: str, timestamp_s: int, body: bytes) -> dict[str, str]:
    """Return the headers with which a receiver verifies sender and time of a message (Standard Webhooks 1.0.0)."""
    signed = f"{message_id}.{timestamp_s}.".encode() + body
    mac = base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()
    return {"webhook-id": message_id, "webhook-timestamp": str(timestamp_s), "webhook-signature": f"v1,{mac}"}


def _secret(name: str, path: Path) -> bytes:
    setting = f"alerts.webhooks.{name}.secret_file"
    text = read_password(path, setting).get_secret_value()
    try:
        secret = base64.b64decode(text.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        secret = b""
    if not text.startswith("whsec_") or not 24 <= len(secret) <= 64:
        remedy = 'create one with: echo "whsec_$(openssl rand -base64 32)"'
        raise ConfigError(f"{setting}: {path} does not contain whsec_ and the base64 of 24 to 64 bytes; {remedy}")
    return secret


def _mail(settings: MailSettings) -> Channel:
    password = None
    if settings.password_file is not None:
        password = read_password(settings.password_file, "alerts.mail.password_file").get_secret_value()
    try:
        tls = ssl.create_default_context(cafile=settings.ca_file)
    except OSError as error:
        raise ConfigError(f"alerts.mail.ca_file: cannot use {settings.ca_file}: {error}; give a PEM file") from error

    def send(message: ChannelMessage) -> None:
        try:
            with _connect(settings, tls) as server:
                if settings.username is not None:
                    server.login(settings.username, password or "")
                refused = server.send_message(_email(settings, message))
        except (smtplib.SMTPException, OSError) as error:
            raise DeliveryError(f"{type(error).__name__}: {error}") from error
        if refused:
            raise DeliveryError(f"the mail server refused {', '.join(refused)}")

    return send


def _connect(settings: MailSettings, tls: ssl.SSLContext) -> smtplib.SMTP:
    address = settings.host, settings.port
    if settings.security == "tls":
        return smtplib.SMTP_SSL(*address, timeout=settings.timeout_s, context=tls)
    server = smtplib.SMTP(*address, timeout=settings.timeout_s)
    if settings.security == "starttls":
        try:
            server.starttls(context=tls)
        except Exception:  # the caller does not get the connection, so it must be closed here
            server.close()
            raise
    return server


def _email(settings: MailSettings, message: ChannelMessage) -> EmailMessage:
    email = EmailMessage()
    email["Subject"] = message.subject_line[:200]
    email["From"] = settings.sender
    email["To"] = ", ".join(settings.recipients)
    email["Date"] = format_datetime(message.sent_utc)
    # The same for each try, so that a mail program shows a repeated e-mail once.
    email["Message-ID"] = f"<{message.id}@{settings.sender.partition('@')[2]}>"
    email.set_content(message.plain)
    if message.html:
        email.add_alternative(message.html, subtype="html")
    return email
