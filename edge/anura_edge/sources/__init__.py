"""Where sound comes from: files, folders and microphones, all as `anura_edge.audio.Sound`."""
