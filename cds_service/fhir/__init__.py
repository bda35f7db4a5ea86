"""Reading FHIR R4 as it really comes: raw, tolerant, three-valued, and pure."""
