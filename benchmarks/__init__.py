"""Measurements, run by hand, against peers in the same run; and the generators of the files that they use."""
