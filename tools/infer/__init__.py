"""Predictors over exported models, with the class names that the field knows."""
