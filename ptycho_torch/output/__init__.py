"""Everything that is written: bundle, product, report, figures."""
