"""Photographs, coloured as a film of one frame: read, and written with all they had."""
