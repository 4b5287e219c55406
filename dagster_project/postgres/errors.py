"""What an administrator must mend. Reads and writes nothing."""


class PostgresMistake(Exception):
    """A database, its rights or a release that cannot be used; the message says what to do."""
