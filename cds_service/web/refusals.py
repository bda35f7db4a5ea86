"""Why a request is refused before any service sees it; `errors` turns these into answers."""

from __future__ import annotations


class Refusal(Exception):
    """A request that cannot be served; the text says why and holds nothing of the request."""


class UnknownService(Refusal):
    """The address names no service."""

    def __init__(self) -> None:
        super().__init__("There is no service with this id; GET /cds-services lists the services")


class NotJson(Refusal):
    """The body is announced as something other than plain JSON."""


class NotOneObject(Refusal):
    """The body is empty, or JSON other than one object."""


class BadQuery(Refusal):
    """A parameter of an address is none, or says nothing that could be meant."""


class Overloaded(Refusal):
    """More calls are under way than can be served in time."""

    def __init__(self) -> None:
        super().__init__("Too many calls are under way; try again in a moment")


class TooMany(Refusal):
    """A client asks for more than its share; `retry_after_s` is when it may ask again."""

    def __init__(self, retry_after_s: int) -> None:
        super().__init__("This client calls more often than it may; try again later")
        self.retry_after_s = retry_after_s


class ForeignPage(Refusal):
    """Another site's page tries to use what belongs to our own pages."""

    def __init__(self) -> None:
        super().__init__("This address answers the service's own pages only")


class NotReady(Refusal):
    """There is nothing that could be called."""

    def __init__(self) -> None:
        super().__init__("No decision service is installed")
