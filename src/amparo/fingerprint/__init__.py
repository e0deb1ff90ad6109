"""Decode once: hashes, true type, PDQ, metadata, thumbnail."""
