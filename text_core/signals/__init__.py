"""What is measured of each text, and the rules on it."""
