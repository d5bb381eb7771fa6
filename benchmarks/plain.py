"""The plain re-encode that vidcolor is measured against: decode, encode, copy the sound.

    python benchmarks/plain.py SOURCE TARGET [CODEC CRF PRESET]

Same library, encoder and settings as vidcolor; pictures go from decoder to encoder untouched.
"""

from __future__ import annotations

import sys

import av


def main(source: str, target: str, codec: str, crf: str, preset: str) -> None:
    with av.open(source) as film, av.open(target, "w") as output:
        picture = film.streams.video[0]
        picture.thread_type = "AUTO"
        options = {"crf": crf, "preset": preset}
        encoder = output.add_stream(codec, rate=picture.average_rate, options=options)
        encoder.width, encoder.height = picture.width, picture.height
        encoder.pix_fmt = picture.pix_fmt
        encoder.codec_context.time_base = picture.time_base
        encoder.codec_context.thread_type = "AUTO"
        tracks = {t.index: output.add_stream_from_template(t) for t in film.streams.audio}
        for packet in film.demux([picture, *film.streams.audio]):
            if packet.stream is picture:
                for frame in packet.decode():
                    frame.pict_type = 0
                    output.mux(encoder.encode(frame))
            elif packet.size:
                packet.stream = tracks[packet.stream_index]
                output.mux(packet)
        output.mux(encoder.encode(None))


if __name__ == "__main__":
    main(*(sys.argv[1:] + ["libx264", "18", "medium"][len(sys.argv) - 3 :]))
