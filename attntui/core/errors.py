"""What the user can mend, as one sentence."""


class UserError(Exception):
    """Something the user can mend: `str(error)` is one clear sentence that says what and how."""


class TryAgain(UserError):
    """The same may succeed another time, as where a network failed."""


class NoRoom(UserError):
    """A run takes more memory than there is; one that records fewer layers (`fit`) may not."""
