"""What looks after a training: values that are not finite, sudden losses, and the checks of the debug mode."""
