"""Train, evaluate, export and run text detectors and recognizers on PaddlePaddle.

Importing this package has no side effects: no logging is set up, no signal handler installed, nothing downloaded,
and PaddlePaddle itself is not imported.
"""

__version__ = "0.1.0"
