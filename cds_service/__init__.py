"""A CDS Hooks server: it authenticates EHRs, reads charts, asks decision services, shows cards."""
