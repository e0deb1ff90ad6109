"""Where a file of a known form ends, by its own structure: what lets a carver cut it out exactly."""
