"""Audio sources: files and microphones, and the metadata of recordings."""
