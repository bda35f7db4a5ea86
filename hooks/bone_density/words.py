"""The words of this service, as they stand in explanations, cards and tables."""

from __future__ import annotations

from enum import StrEnum


class Study(StrEnum):
    """What an order asks for."""

    DXA_SPINE_HIP = "dxa-spine-hip"
    DXA_SPINE_HIP_VFA = "dxa-spine-hip-vfa"
    DXA_UNSPECIFIED = "dxa-unspecified"
    DXA_FOREARM = "dxa-forearm"
    DXA_HEEL = "dxa-heel"
    DXA_PERIPHERAL = "dxa-peripheral"
    VFA = "vfa"
    TBS = "tbs"
    QCT = "qct"
    QUS = "qus"
    CT_FEA = "ct-fea"
    OTHER_DENSITOMETRY = "other-densitometry"
    BONE_DENSITY_UNSPECIFIED = "bone-density-unspecified"
    OSTEOPOROSIS_DRUG = "osteoporosis-drug"


AXIAL_DXA = frozenset({Study.DXA_SPINE_HIP, Study.DXA_SPINE_HIP_VFA})
"""Studies that measure spine and hip(s) by DXA."""

TIMED = AXIAL_DXA | {Study.DXA_UNSPECIFIED}
"""Studies for which a repeat may be too early."""


class Scenario(StrEnum):
    """The clinical situation that decides which rules apply."""

    SURVEILLANCE = "surveillance"
    YOUNGER = "younger-adult-surveillance"
    INITIAL = "initial-testing"
    INSUFFICIENT = "insufficient-data"
    PREGNANCY = "pregnancy"
    RED_FLAG = "red-flag"
    DECEASED = "deceased"
    NOT_BONE_DENSITY = "not-bone-density"


class Modifier(StrEnum):
    """What changes the texts of a surveillance card without changing its scenario."""

    SPINE_UNRELIABLE = "spine-unreliable"
    HIPS_UNRELIABLE = "hips-unreliable"
    SUSPECTED_VERTEBRAL_FRACTURE = "suspected-vertebral-fracture"
    VFA_CRITERIA_MET = "vfa-criteria-met"
    THIGH_PAIN_ON_BISPHOSPHONATE = "thigh-pain-on-bisphosphonate"
    FOREARM_ONLY_BASELINE = "forearm-only-baseline"
    RAPID_LOSS_RISK = "rapid-loss-risk"


class RatingWord(StrEnum):
    """ACR rating categories."""

    USUALLY = "usually-appropriate"
    MAY_BE = "may-be-appropriate"
    USUALLY_NOT = "usually-not-appropriate"


class RatingStatus(StrEnum):
    """Why a rating stands there, or why none does."""

    RATED = "rated"
    CONDITIONAL = "conditional"
    NO_PUBLISHED = "no-published-rating"
    OUT_OF_SCOPE = "out-of-scope"
    INSUFFICIENT = "insufficient-data"


class Timing(StrEnum):
    """Where the clinical date stands relative to the last central DXA."""

    ON_TIME = "on-time"
    EARLY_WITH_REASON = "early-with-reason"
    EARLY_WITHOUT_REASON = "early-without-reason"
    TOO_SOON = "too-soon"
    UNKNOWN = "unknown"
    NOT_APPLICABLE = "not-applicable"


class Site(StrEnum):
    """Where bone density was measured."""

    LUMBAR_SPINE = "lumbar-spine"
    SPINE = "spine"
    HIP = "hip"
    TOTAL_HIP = "total-hip"
    FEMORAL_NECK = "femoral-neck"
    FEMUR = "femur"
    FOREARM = "forearm"
    HEEL = "heel"
    HUMERUS = "humerus"
    UNSPECIFIED = "unspecified"


SPINE_SITES = frozenset({Site.LUMBAR_SPINE, Site.SPINE})
HIP_SITES = frozenset({Site.HIP, Site.TOTAL_HIP, Site.FEMORAL_NECK, Site.FEMUR})
CENTRAL_SITES = SPINE_SITES | HIP_SITES
USABLE_SITES = CENTRAL_SITES | {Site.FOREARM}
"""Sites whose T-score can establish low BMD."""


class Kind(StrEnum):
    """What a bone density result states."""

    T_SCORE = "T-score"
    Z_SCORE = "Z-score"
    BMD = "BMD"


class Sex(StrEnum):
    """Sex as recorded for clinical use; anything else is unknown."""

    FEMALE = "female"
    MALE = "male"


class Group(StrEnum):
    """Which of the two follow-up variants an adult belongs to."""

    OLDER = "older"
    YOUNGER = "younger"


class Menopause(StrEnum):
    """Menopausal status as recorded."""

    POST = "postmenopausal"
    PERI = "perimenopausal"
    PRE = "premenopausal"
