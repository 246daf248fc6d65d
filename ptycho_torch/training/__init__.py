"""Training: losses, optimizer, fine-tuning and the adapter to Lightning."""
