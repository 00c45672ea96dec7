"""From scores to events and effort. No I/O."""
