"""What a command says when it cannot do what is asked of it."""


class CommandError(Exception):
    """A command cannot do what is asked of it; the message is one line for the user."""
