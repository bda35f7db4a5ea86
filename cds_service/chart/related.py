"""Resources that came along, by the references that lead to them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from cds_service.chart.references import local_name
from cds_service.protocol.chart import Resource


class Related(Mapping[str, Resource]):
    """Resources by `Type/id` and by fullUrl.

    A reference that is absolute on the client's own FHIR server means the same as the relative
    one; on another server it means another resource. Without a server of the client's every server
    may be its own. Indexed at the first look: most charts hold no reference to be followed.
    """

    def __init__(self, index: Callable[[], dict[str, Resource]], fhir_server: str | None) -> None:
        self._make = index
        self._fhir_server = fhir_server
        self._index: dict[str, Resource] | None = None

    def _indexed(self) -> dict[str, Resource]:
        if self._index is None:
            self._index = self._make()
        return self._index

    def __getitem__(self, key: str) -> Resource:
        index = self._indexed()
        return index[key] if key in index else index[local_name(key, self._fhir_server)]

    def __iter__(self) -> Iterator[str]:
        return iter(self._indexed())

    def __len__(self) -> int:
        return len(self._indexed())
