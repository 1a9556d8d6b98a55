"""What the user can mend, as one sentence."""


class UserError(Exception):
    """Something the user can mend: `str(error)` is one clear sentence that says what and how."""


class TryAgain(UserError):
    """The same may succeed another time, as where a network failed."""
