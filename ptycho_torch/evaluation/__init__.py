"""Evaluation: how a reconstruction differs from a reference."""
