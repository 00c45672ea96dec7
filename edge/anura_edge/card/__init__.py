"""Check a recorder's SD card before its analysis: contents, damaged files, gaps in the schedule."""
