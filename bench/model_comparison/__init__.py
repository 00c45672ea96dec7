"""The models that `bench/compare_models.py` compares, and the measurements."""
