"""Scans made ready for a reconstruction, with a record of every step."""
