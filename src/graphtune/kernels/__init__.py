"""Free Numba functions: arrays in, arrays out; they import nothing else of graphtune."""
