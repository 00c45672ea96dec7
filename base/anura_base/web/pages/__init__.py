"""One module for each page. Each has a `router`."""
