"""Many scans with one network: each reconstructed once, by processes here or by Ray."""
