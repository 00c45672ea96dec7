"""A small SD card, as a Song Meter SM4 would have left it, made of real calls whose licences allow it."""
