"""How the FHIR servers behind each profile want to be asked; a client's registry entry may differ.

A page of 100 is what servers grant that cap `_count`; none of the searches sorts or includes,
since some refuse parameters that they do not know.
"""

from __future__ import annotations

from cds_service.protocol.dialect import Dialect

DIALECTS = {
    "standard": Dialect(page_size=100),
    # Understands `_count`, and Observation searches by code without a category.
    "epic": Dialect(page_size=100),
    # Any server that its user names, some of them small ones for tests.
    "sandbox": Dialect(page_size=100),
}
"""By name of the profile."""
