"""A finished run put to work: predictions of files, serving, exports, publishing."""
