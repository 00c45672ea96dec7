"""A report page of an evaluation: detections, errors and plots."""
