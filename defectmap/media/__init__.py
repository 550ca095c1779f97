"""The only place that opens, decodes and writes image files."""
