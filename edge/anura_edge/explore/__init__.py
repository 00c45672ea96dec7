"""Looks into one recording: its sound, what the model made of it, and the calls that come of that under any settings.

`hearing` makes numbers of a file, `static` draws them in a browser; `server` brings both together on a device, and the
base station does so on a page of its own.
"""
