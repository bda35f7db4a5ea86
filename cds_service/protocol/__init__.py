"""The wire and the contract with decision services, pure: no HTTP, no FHIR reading, no clock."""
