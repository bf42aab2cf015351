"""What exists only so that programs written for other packages run."""
