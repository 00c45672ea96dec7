"""BirdNET v2.4: its files, its network and its range model."""
