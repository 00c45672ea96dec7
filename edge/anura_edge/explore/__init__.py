"""The explorer: shows one recording, the model's scores for it, and the calls that any settings give.

`analysis` runs the model over a file, and the scripts in `static` draw the result in a browser. `server` serves both on
a device; the base station serves them on a separate page.
"""
