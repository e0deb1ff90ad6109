"""Plans what is missing and does it, on all cores."""
