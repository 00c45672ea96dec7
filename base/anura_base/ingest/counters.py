"""Prometheus counters of the ingest worker. They count from the start of the process."""

from prometheus_client import Counter, Histogram

MESSAGES = Counter(
    "anura_base_messages", "Messages from the broker that were committed or stored as dead letters.", registry=None
)
ACKNOWLEDGEMENTS = Counter("anura_base_acknowledgements", "Acknowledgements and refusals sent.", registry=None)
FAILED_COMMITS = Counter("anura_base_failed_commits", "Commits that the database refused.", registry=None)
COMMIT_SECONDS = Histogram(
    "anura_base_commit_seconds",
    "Time to store a group of messages, in seconds.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
    registry=None,
)
