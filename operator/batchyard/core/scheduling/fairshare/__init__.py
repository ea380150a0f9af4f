"""Fair share: what shares have used, and whose turn it is."""
