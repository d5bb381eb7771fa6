"""Films in and out. The only package that knows PyAV.

``probe`` tells what a film is, ``decode`` yields its frames with their own luma and timestamps,
``Writer`` puts painted frames and all other streams into a new file.
"""

from vidcolor.media.damage import DecodeReport
from vidcolor.media.decode import decode
from vidcolor.media.mux import Writer
from vidcolor.media.probe import probe

__all__ = ["DecodeReport", "Writer", "decode", "probe"]
