"""Equal, similar and overlapping texts: hashes, MinHash, LSH, components, shared n-grams, repeated spans."""
