"""Openers: what an exhibit holds, byte for byte."""
