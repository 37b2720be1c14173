"""Programs to be read and changed, which use the package as anyone would; they are not installed with it."""
