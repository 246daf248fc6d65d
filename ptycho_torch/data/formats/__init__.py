"""One module for each HDF5 layout of the field; each function makes a RawScan of an open file."""
