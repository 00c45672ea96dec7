"""The database: engine, tables, and queries that several packages share."""
