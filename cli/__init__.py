"""The command line. Installed as ``vidcolor_cli``; each command is one small file."""
