"""Commands: each script parses its options, builds the pieces and runs them. Installed, they are `ppocr <command>`."""
