"""Who may see and change what at the base station: users, sessions, tokens, and the guard before every route."""
