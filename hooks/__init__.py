"""Decision services: pure functions of (orders, chart, site settings, as_of)."""

from hooks.bone_density import SERVICE as BONE_DENSITY

SERVICES = (BONE_DENSITY,)
