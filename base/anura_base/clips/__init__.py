"""Audio around calls: asked for, received piece by piece, kept, shown and played."""
