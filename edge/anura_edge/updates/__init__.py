"""Installs models: a bundle is fetched, checked, tried in a process of its own, and only then used.

    STATE/models/ID-VERSION/   an installed bundle
    STATE/models/state.json    which one is used, which one was used before, and the starts since the change

A bundle that does not prove itself is replaced by the one before it. That happens at a start, so neither a crash nor a
hang nor the watchdog's restart can prevent it.
"""
