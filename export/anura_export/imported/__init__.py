"""Makes bundles of classifiers that other programs have exported as ONNX."""
