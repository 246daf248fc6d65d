"""Other programs that use this package under names they know."""
