"""The demo card: a small SD card like that of a Song Meter SM4, made from real calls with open licences."""
