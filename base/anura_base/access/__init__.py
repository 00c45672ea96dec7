"""Authentication at the base station: users, roles, passwords, sessions, invitation links and tokens."""
