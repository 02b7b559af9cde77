"""Tables of texts in files and data frames, read and written."""
