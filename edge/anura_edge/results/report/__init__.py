"""Reports: one HTML page about a night, a season or a species, which a person sends to a colleague."""
