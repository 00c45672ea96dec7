"""Tells people what should not wait until they look: who calls, and which device is not well.

`rules` are the settings. `core` decides, without I/O or a clock; `watch` feeds it from the database and keeps what it
decided, in one transaction with how far it has read; `outbox` delivers that by the `channels`, again until it works.
"""
