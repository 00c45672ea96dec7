"""Sites: where they are, and which recordings are of which site. No I/O but for the table of sites."""
