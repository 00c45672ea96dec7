"""The database: connection, tables, and queries that several packages share."""
