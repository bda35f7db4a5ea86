"""Our service beside a bare Flask application, measured in the same run."""
