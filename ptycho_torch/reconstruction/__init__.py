"""From a trained network and a scan to an object: predict, stitch, refine, judge."""
