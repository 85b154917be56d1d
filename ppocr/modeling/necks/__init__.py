"""What lies between backbone and head."""
