"""Fixed words for people: studies, sites, ratings, gaps, and reasons for not using something."""

from __future__ import annotations

from hooks.bone_density.words import RatingWord, Site, Study

STUDIES = {
    Study.DXA_SPINE_HIP: "DXA of lumbar spine and hip(s)",
    Study.DXA_SPINE_HIP_VFA: "DXA of lumbar spine and hip(s) with VFA",
    Study.DXA_UNSPECIFIED: "DXA, site not stated",
    Study.DXA_FOREARM: "DXA of the forearm",
    Study.DXA_HEEL: "DXA of the heel",
    Study.DXA_PERIPHERAL: "peripheral DXA, site not stated",
    Study.VFA: "vertebral fracture assessment (VFA) alone",
    Study.TBS: "trabecular bone score (TBS)",
    Study.QCT: "quantitative CT (QCT)",
    Study.QUS: "ultrasound of the heel (QUS)",
    Study.CT_FEA: "CT bone strength analysis",
    Study.OTHER_DENSITOMETRY: "another kind of densitometry",
    Study.BONE_DENSITY_UNSPECIFIED: "bone density study, modality not stated",
    Study.OSTEOPOROSIS_DRUG: "osteoporosis drug",
}

SITES = {
    Site.LUMBAR_SPINE: "lumbar spine",
    Site.SPINE: "spine",
    Site.HIP: "hip",
    Site.TOTAL_HIP: "total hip",
    Site.FEMORAL_NECK: "femoral neck",
    Site.FEMUR: "femur",
    Site.FOREARM: "forearm",
    Site.HEEL: "heel",
    Site.HUMERUS: "humerus",
    Site.UNSPECIFIED: "site not stated",
}

RATINGS = {
    RatingWord.USUALLY.value: "usually appropriate",
    RatingWord.MAY_BE.value: "may be appropriate",
    RatingWord.USUALLY_NOT.value: "usually not appropriate",
}

GAPS = {
    "age-not-known": "The age is not recorded or not usable",
    "adult-age-not-certain": "The birth date leaves open whether the patient is an adult",
    "age-not-exact": "The birth date is not exact enough to choose the scenario",
    "sex-not-known": "Sex is not recorded as female or male",
    "sex-contradicts-conditions": "Recorded conditions contradict the recorded sex",
    "menopausal-status-not-known": "Menopausal status is not known",
    "premenopausal-contradicts-age": "A premenopausal status is recorded at an age that "
    "contradicts it",
    "under-adult-age": "Bone density in children and adolescents is outside this service",
    "conditions-not-read": "The conditions could not be read, or not completely: pregnancy and "
    "neurological findings were not checked",
    "results-not-usable": "Results are there that could not be used",
    "only-unusable-results": "No result that can serve as a baseline for spine and hip follow-up "
    "was found",
    "diagnosis-not-confirmed": "Low bone density is recorded only as a diagnosis not confirmed",
    "result-is-only-a-bound": "A T-score is recorded only as a bound that leaves low BMD open",
    "therapy-without-baseline": "An osteoporosis drug is recorded, but no baseline BMD and no "
    "diagnosis was found",
}
"""What is missing or contradictory, by the gap codes of the decision."""

GAP_HEADS = {
    "age-not-known": "Age not recorded",
    "adult-age-not-certain": "Birth date not exact",
    "age-not-exact": "Birth date not exact",
    "sex-not-known": "Sex not recorded",
    "sex-contradicts-conditions": "Recorded data contradict each other",
    "menopausal-status-not-known": "Menopausal status not known",
    "premenopausal-contradicts-age": "Menopausal status and age contradict each other",
    "under-adult-age": "Bone density in children and adolescents is outside this service",
    "conditions-not-read": "Conditions could not be read",
    "results-not-usable": "Bone density results could not be used",
    "only-unusable-results": "No usable baseline for spine and hip follow-up",
    "diagnosis-not-confirmed": "Low bone density recorded only as an unconfirmed diagnosis",
    "result-is-only-a-bound": "T-score recorded only as a bound",
    "therapy-without-baseline": "Osteoporosis drug recorded, no baseline BMD found",
}
"""The same gaps as the first words of a summary."""

SETS = {
    "osteoporosis": "osteoporosis",
    "low-bone-mass": "low bone mass",
    "vertebral-fracture": "vertebral fracture",
    "spine-unreliable": "condition that makes the lumbar spine value unreliable",
    "hip-prosthesis": "hip replacement",
    "glucocorticoid-long-term-use": "long-term steroid use",
    "primary-hyperparathyroidism": "primary hyperparathyroidism",
    "fragility-fracture": "fragility fracture",
    "hypoparathyroidism": "hypoparathyroidism",
    "postmenopausal": "postmenopausal status",
    "perimenopausal": "perimenopausal status",
    "premenopausal": "premenopausal status",
    "pregnancy": "pregnancy",
    "height-loss": "height loss",
    "back-pain": "back pain",
    "cord-or-cauda-equina": "cauda equina syndrome or cord compression",
    "neurological-deficit": "neurological deficit",
    "radicular-symptom": "radicular symptom",
    "thigh-pain": "thigh, hip or groin pain",
    "active-malignancy": "active malignancy",
}
"""The value sets of conditions in words."""

VFA_REASONS = {
    "vfa-age-woman": "woman aged 70 or over with a T-score below -1.0",
    "vfa-age-man": "man aged 80 or over with a T-score below -1.0",
    "vfa-height-loss": "height loss of more than 4 cm with a T-score below -1.0",
    "vfa-glucocorticoid": "systemic glucocorticoid at 5 mg prednisone equivalent per day or more "
    "for 3 months or longer, with a T-score below -1.0",
}

UNREAD_DATA = {
    "Patient": "patient record",
    "Observation": "results (Observation)",
    "Condition": "conditions (Condition)",
    "MedicationStatement": "medication statements (MedicationStatement)",
    "MedicationRequest": "medication orders (MedicationRequest)",
    "DiagnosticReport": "reports (DiagnosticReport)",
    "Procedure": "procedures (Procedure)",
}

INDETERMINATE = {
    "no-facility-lsc": "the facility's LSC for this site and device is not configured here",
    "device-not-recorded": "the device is not recorded for both results",
    "different-devices": "they come from different devices",
    "two-values-on-one-day": "one day carries two different values",
}
"""Why two BMD results are not compared."""
