"""Routes for programs: rows, clips, exports, metrics, and the OpenAPI document."""
