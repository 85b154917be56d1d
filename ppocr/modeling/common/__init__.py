"""Layers that several networks share, each defined once."""
