"""Speed of training, side by side with what people use today: `python -m benchmarks`."""
