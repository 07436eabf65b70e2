"""The errors that a person can mend."""


class UserError(ValueError):
    """What is wrong with a parameter, a file or other input, in one line that says what would be right.

    The command line shows the message without a traceback; everything else that is raised is a defect.
    """
