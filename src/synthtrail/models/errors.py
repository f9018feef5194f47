"""What can go wrong with a model, one clear line each.

ModelError
├── ConditionError   rows were asked for that the model does not know how to make
├── TrainingError    training left the finite numbers
└── ModelFileError   a model folder is absent, incomplete, or another kind of model's
"""


class ModelError(Exception):
    """Root of every error that a model raises; the message is one line for the user."""


class ConditionError(ModelError):
    """Conditions name no class of the target, or counts that do not add up."""


class TrainingError(ModelError):
    """Losses or weights are no longer finite."""


class ModelFileError(ModelError):
    """A model folder cannot be read."""
