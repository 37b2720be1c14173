"""Writing what is whole of a damaged dataset: `salvaging.salvage`."""
