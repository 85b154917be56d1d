"""Networks before the backbone, which rectify the image."""
