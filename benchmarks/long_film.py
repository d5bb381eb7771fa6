"""Makes a long film of a short one, by copying its packets over and over.

    python benchmarks/long_film.py CLIP long.mp4 --minutes 120
    python benchmarks/long_film.py CLIP long.mkv --minutes 120 --no-index

``--no-index`` writes a Matroska file as a recorder leaves it that was cut off: nothing in it tells
where key frames are, nor how long it is.
"""

from __future__ import annotations

import argparse
from fractions import Fraction

import av


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clip")
    parser.add_argument("target")
    parser.add_argument("--minutes", type=float, default=120)
    parser.add_argument("--no-index", action="store_true")
    words = parser.parse_args()
    options = {"live": "1"} if words.no_index else {}
    with av.open(words.target, "w", container_options=options) as target:
        lap = Fraction(0)
        streams: dict[int, av.stream.Stream] = {}
        ends: dict[int, int] = {}
        while lap < words.minutes * 60:
            with av.open(words.clip) as clip:
                length = Fraction(0)
                chosen = [clip.streams.video[0], *clip.streams.audio[:1]]
                for stream in chosen:
                    if stream.index not in streams:
                        streams[stream.index] = target.add_stream_from_template(stream)
                for packet in clip.demux(chosen):
                    if packet.dts is None or packet.pts is None:
                        continue
                    length = max(length, (packet.pts + packet.duration) * packet.time_base)
                    shift = round(lap / packet.time_base)
                    index = packet.stream.index
                    packet.pts += shift
                    packet.dts += shift
                    if packet.dts <= ends.get(index, packet.dts - 1):
                        continue
                    ends[index] = packet.dts
                    packet.stream = streams[index]
                    target.mux(packet)
                lap += length


if __name__ == "__main__":
    main()
