"""The only way out: requests to allowed servers, at checked addresses, within a deadline."""

from cds_service.egress.base import Base
from cds_service.egress.client import Egress, Reply
from cds_service.egress.deadline import Deadline
from cds_service.egress.errors import Busy, EgressError, Failed, Refused
from cds_service.egress.lanes import Lanes, Permit
from cds_service.egress.policy import Policy

__all__ = [
    "Base",
    "Busy",
    "Deadline",
    "Egress",
    "EgressError",
    "Failed",
    "Lanes",
    "Permit",
    "Policy",
    "Refused",
    "Reply",
]
