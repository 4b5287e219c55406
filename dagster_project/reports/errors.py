"""The one error of this package. Reads and writes nothing."""

from __future__ import annotations


class PageError(Exception):
    """A page cannot be rendered; says where (page, line, query) and what to do about it."""

    def __init__(
        self, message: str, page: str | None = None, line: int | None = None, query: str | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.page = page
        self.line = line
        self.query = query

    def at(self, page: str | None = None, line: int | None = None, query: str | None = None) -> PageError:
        """The same error with the places filled in that it did not know itself."""
        return PageError(self.message, self.page or page, self.line or line, self.query or query)

    def __str__(self) -> str:
        places = [
            self.page or "",
            f"line {self.line}" if self.line else "",
            f'query "{self.query}"' if self.query else "",
        ]
        place = ", ".join(place for place in places if place)
        return f"{place}: {self.message}" if place else self.message


def first_line(error: Exception) -> str:
    """The first line of an error's text that says something."""
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
