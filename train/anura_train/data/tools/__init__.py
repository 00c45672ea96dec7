"""Tools that check, build or synthesise data sets."""
