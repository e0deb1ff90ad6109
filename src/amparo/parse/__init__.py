"""One file per application or document kind."""
