"""Reference pages that are generated from the code. `python docs/generate.py` writes them."""
