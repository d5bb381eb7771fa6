"""Every kind of file through the command line: `make conformance`, and a fast part under pytest."""
