"""Signal processing: resampling, ring buffer, windows, signal quality, gating. No I/O."""
