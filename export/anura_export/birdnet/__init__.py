"""From the published file of BirdNET v2.4 to a verified model bundle."""
