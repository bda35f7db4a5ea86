"""What was decided, shown and answered: recording, feedback, retention."""

from cds_service.records.knowledge import knowledge_hash
from cds_service.records.reasoning import Reasoning
from cds_service.records.recorder import Recorder
from cds_service.records.retention import Pruned, prune
from cds_service.records.stored import stored_reasoning

__all__ = ["Pruned", "Reasoning", "Recorder", "knowledge_hash", "prune", "stored_reasoning"]
