"""What a run says about itself: figures, pictures, its circumstances, and a bar that shows how far it is."""
