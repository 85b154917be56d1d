"""What turns features into class scores.

A head returns ``{"logits": …}`` while training and ``{"probs": …}`` in evaluation.
"""
