"""Alerts: messages to people about calls and devices that should not wait until somebody opens the pages.

`call_rules`, `effort_rules` and `device_rules` find candidates and `engine` removes repeats; all are pure. `evaluator`
gives them rows of the database, and commits their alerts together with the position up to which it has read.
`delivery` sends the alerts through `channels`, and tries again after a failure.
"""
