"""A film watched and no more, for the benchmark of cut detection: bare decoding, or decoding and cuts.

python -m benchmarks.speed.watch_only decode film.mp4
python -m benchmarks.speed.watch_only cuts film.mp4      # prints their times in seconds as JSON
"""

from __future__ import annotations

import json
import sys
from pathlib import Path


def decode(film: Path) -> int:
    """Decode every picture with PyAV and do nothing with it; how many there were."""
    import av  # noqa: PLC0415

    with av.open(str(film)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        return sum(1 for _ in container.decode(stream))


def cuts(film: Path) -> list[float]:
    """Cuts as `emsync analyse` finds them, without its senses and without the sound."""
    from emsync.options import VideoOptions  # noqa: PLC0415
    from emsync.video.cuts import detector_named  # noqa: PLC0415
    from emsync.video.frames import scan  # noqa: PLC0415
    from emsync.video.probe import probe  # noqa: PLC0415

    options = VideoOptions()
    detector = detector_named(options.detector)
    seen = scan(
        probe(film), detector=detector, frames_per_s=options.frames_per_s, on_frame=lambda frame: None
    )
    return [cut.time_s for cut in seen.cuts]


if __name__ == "__main__":
    print(json.dumps({"decode": decode, "cuts": cuts}[sys.argv[1]](Path(sys.argv[2]))))
