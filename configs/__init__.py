"""Presets (one TOML file each); installed as ``vidcolor_configs`` so that they are found anywhere.

``importlib.resources.files("vidcolor_configs") / "fast.toml"`` is the way to one. The schema is in
``vidcolor.settings``; a preset holds only what differs from the defaults there, and why.
"""
