"""Evidence for and against a scan and its reconstruction: pure functions of arrays."""
