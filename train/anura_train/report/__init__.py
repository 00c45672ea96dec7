"""What a model hears and where it errs, as one page."""
