"""What a model is worth, of a whole data set at once, with an interval for every figure."""
