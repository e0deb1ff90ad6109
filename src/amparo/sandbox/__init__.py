"""Cells: where hostile bytes are parsed, and the guard that watches them."""
