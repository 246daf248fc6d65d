"""Scans: read, put into network units, grouped, batched."""
