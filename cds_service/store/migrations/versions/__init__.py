"""The revisions, oldest first; none is ever changed after a release."""
