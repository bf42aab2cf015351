"""Names and modules that exist only so that programs written for other packages run."""
