"""Looks at a recorder's card before anything is analysed: what is there, what is broken, what is missing."""
