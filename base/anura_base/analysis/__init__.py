"""Queries for charts: nights, sites, call counts, effort, anomalies. They read the database and never write rows."""
