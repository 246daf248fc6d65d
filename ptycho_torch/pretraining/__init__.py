"""Networks without measured data: families of simulated scans, and the training on them."""
