"""What is kept, in SQLite or PostgreSQL; the lowest floor, which knows nothing of the server.

`cds_service.store.migrations` is imported only where migrations run: Alembic takes its time.
"""

from cds_service.store.backup import Copy, back_up
from cds_service.store.database import Database
from cds_service.store.decisions import Decision, DecisionLog, Judgement
from cds_service.store.durability import Durability
from cds_service.store.errors import StoreError, Trouble
from cds_service.store.feedback import FeedbackLog, Kept, NotTheirCard, StoredFeedback
from cds_service.store.health import Health, examine
from cds_service.store.issuer_keys import IssuerKeys, KeptKeys
from cds_service.store.key_fetches import KeyFetches
from cds_service.store.replay import ReplayStore
from cds_service.store.review import (
    AnsweredCall,
    Different,
    Filters,
    JudgedOrder,
    LastOutcome,
    Review,
    review,
)
from cds_service.store.revision import current_revision, head_revision, is_current, refuse_newer
from cds_service.store.revocations import KeyState, Revocation, RevocationLog
from cds_service.store.switches import Scope, ScopeKind, State, Switch, SwitchLog
from cds_service.store.types import UtcDateTime

__all__ = [
    "AnsweredCall",
    "Copy",
    "Database",
    "Decision",
    "DecisionLog",
    "Different",
    "Durability",
    "FeedbackLog",
    "Filters",
    "Health",
    "IssuerKeys",
    "JudgedOrder",
    "Judgement",
    "Kept",
    "KeptKeys",
    "KeyFetches",
    "KeyState",
    "LastOutcome",
    "NotTheirCard",
    "ReplayStore",
    "Review",
    "Revocation",
    "RevocationLog",
    "Scope",
    "ScopeKind",
    "State",
    "StoreError",
    "StoredFeedback",
    "Switch",
    "SwitchLog",
    "Trouble",
    "UtcDateTime",
    "back_up",
    "current_revision",
    "examine",
    "head_revision",
    "is_current",
    "refuse_newer",
    "review",
]
