"""Names and modules for programs written for other packages."""
