"""One decode pass over a video: every frame is searched for changes of shot, about one a second is kept.

Memory does not grow with the length of the video, apart from the cuts themselves.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from emsync.ahead import made_ahead
from emsync.errors import VideoError
from emsync.types import Cut, SampledFrame, VideoInfo
from emsync.video.cuts import Candidate, CutDetector, CutFilter
from emsync.video.dissolves import REACH_S, DissolveWatch
from emsync.video.fades import FadeWatch
from emsync.video.pictures import Picture, PictureMaker
from emsync.video.probe import first_video_stream, open_video

LONGEST_REACH_S = 2 * REACH_S
"""A cut is named at most so long after its frame: the middle of a dissolve, if frames are of uneven length."""
FRAMES_AHEAD = 4
"""Frames that are decoded before they are looked at, 12 MB at 1080p: decoding goes on while networks run."""


@dataclass(frozen=True)
class Scan:
    """What one pass over the frames found.

    `cuts` are strictly increasing, inside (0, duration_s), at least 0.2 s apart. `duration_s` is that of the
    probe, or shorter if the last frames could not be decoded. `decode_errors` counts what was skipped.
    """

    cuts: tuple[Cut, ...]
    duration_s: float
    frame_count: int
    decode_errors: int


def scan(
    info: VideoInfo,
    *,
    detector: CutDetector,
    frames_per_s: float,
    on_frame: Callable[[SampledFrame], None],
    on_progress: Callable[[float], None] | None = None,
    large_height: int | None = None,
) -> Scan:
    """Decode the video once, find its cuts and hand out sampled frames in order of time.

    Args:
        detector: a fresh one, see `emsync.video.cuts.detector_named`.
        frames_per_s: sampling rate; besides, every shot gets at least one frame that lies inside it.
        on_progress: called with the fraction done, in [0, 1], ending with 1.
        large_height: sampled frames hold a large picture, too, at most so many pixels high.
    Raises: VideoError if no frame can be decoded; ValueError if `frames_per_s` is not positive.
    """
    if not frames_per_s > 0:
        raise ValueError(f"frames_per_s must be positive, got {frames_per_s}")
    decoder = _Decoder(info)
    maker = PictureMaker(info.rotation_degrees, aspect=info.width / info.height, large_height=large_height)
    watcher = _Watcher(maker, detector, _Sampler(on_frame), period_s=1 / frames_per_s)
    with made_ahead(decoder.frames(), depth=FRAMES_AHEAD) as frames:
        for time_s, frame in frames:
            watcher.watch(time_s, frame)
            if on_progress:
                on_progress(min(1.0, time_s / info.duration_s))
    watcher.finish()
    if not decoder.frame_count:
        raise VideoError(
            f"{info.path}: none of its frames can be decoded; the file is damaged, use another copy"
        )
    if on_progress:
        on_progress(1.0)
    return Scan(
        cuts=tuple(watcher.cuts),
        duration_s=decoder.duration_s(),
        frame_count=decoder.frame_count,
        decode_errors=decoder.errors,
    )


class _Decoder:
    """Yields good frames with their time from the first video frame; counts what could not be used."""

    def __init__(self, info: VideoInfo) -> None:
        self.frame_count = 0
        self.errors = 0
        self._info = info
        self._end_s = 0.0

    def frames(self) -> Iterator[tuple[float, VideoFrame]]:
        """Frames with strictly increasing times in seconds."""
        with open_video(self._info.path) as container:
            stream = first_video_stream(container, self._info.path)
            stream.thread_type = "AUTO"
            time_base = stream.time_base or Fraction(1, av.time_base)
            zero_pts = round(Fraction(self._info.start_s) / time_base)
            last_s = -1.0
            for frame in self._decoded(container, stream):
                pts = frame.dts if frame.pts is None else frame.pts
                time_s = -1.0 if pts is None else float((pts - zero_pts) * time_base)
                if frame.is_corrupt or time_s < 0 or time_s <= last_s:
                    self.errors += 1
                    continue
                last_s = time_s
                self.frame_count += 1
                self._end_s = time_s + float(frame.duration * time_base or 1 / self._info.frame_rate_fps)
                yield time_s, frame

    def duration_s(self) -> float:
        """The probe's duration unless decoding stopped more than two frames before it."""
        missing_s = self._info.duration_s - self._end_s
        return self._end_s if missing_s > 2 / self._info.frame_rate_fps else self._info.duration_s

    def _decoded(self, container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
        packets = container.demux(stream)
        while True:
            try:
                packet = next(packets, None)
            except (av.error.FFmpegError, OSError):
                self.errors += 1
                return
            if packet is None:
                return
            yield from self._decoded_packet(packet)

    def _decoded_packet(self, packet: Packet[VideoStream]) -> list[VideoFrame]:
        try:
            return packet.decode()
        except (av.error.FFmpegError, OSError):
            self.errors += 1
            return []


class _Watcher:
    """Feeds the detector, and tells the sampler where shots begin once that is certain."""

    def __init__(
        self, maker: PictureMaker, detector: CutDetector, sampler: _Sampler, *, period_s: float
    ) -> None:
        self.cuts: list[Cut] = []
        self._detector = detector
        self._sampler = sampler
        self._filter = CutFilter()
        self._gradual = (FadeWatch(), DissolveWatch())
        self._maker = maker
        self._recent: deque[Picture] = deque(maxlen=detector.lag_frames + 2)
        self._period_s = period_s
        self._due_s = period_s / 2

    def watch(self, time_s: float, frame: VideoFrame) -> None:
        """Take the next frame."""
        picture = self._maker.picture(time_s, frame)
        if not self._recent:
            self._sampler.open_shot(self._maker.sample(picture), picture.time_s)
        self._recent.append(picture)
        self._sample_if_due(picture)
        for cut in self._detector.watch(picture):
            self._consider(cut)
        if len(self._recent) > self._detector.lag_frames:
            self._consider_gradual()
            self._settle(self._certain)

    def finish(self) -> None:
        """The video ended: decide what was open and hand out the frames still held."""
        for cut in self._detector.finish():
            self._consider(cut)
        if self._recent:
            self._keep(self._filter.finish(self._recent[-1].small))
        self._sampler.finish()

    def _sample_if_due(self, picture: Picture) -> None:
        """Sample in the middle of every period, where edits on round seconds do no harm."""
        if picture.time_s < self._due_s:
            return
        self._sampler.add(self._maker.sample(picture))
        periods = int((picture.time_s - self._due_s) / self._period_s) + 1
        self._due_s += periods * self._period_s

    def _consider(self, cut: Cut) -> None:
        for before, after in pairwise(self._recent):
            if after.time_s == cut.time_s:
                self._keep(self._filter.settle(cut.time_s, before.small))
                opening = self._maker.sample(after)
                self._filter.add(Candidate(cut, opening, before=before.small, after=after.small))

    def _consider_gradual(self) -> None:
        for watch in self._gradual:
            change = watch.watch(self._certain)
            if change is not None:
                before, after = self._recent[-2 - self._detector.lag_frames], self._certain
                self._keep(self._filter.settle(change.cut.time_s, before.small))
                opening = self._maker.sample(after)
                candidate = Candidate(change.cut, opening, before=before.small, after=after.small)
                self._filter.add_gradual(candidate, change.begin_s)

    @property
    def _certain(self) -> Picture:
        """The last picture that the detector has judged."""
        return self._recent[-1 - self._detector.lag_frames]

    def _settle(self, picture: Picture) -> None:
        """No raw cut at or before this picture can come any more, but the middle of a dissolve can."""
        self._keep(self._filter.settle(picture.time_s, picture.small))
        self._sampler.release(min(picture.time_s - LONGEST_REACH_S, self._filter.pending_s))

    def _keep(self, candidate: Candidate | None) -> None:
        if candidate is not None:
            self.cuts.append(candidate.cut)
            self._sampler.open_shot(candidate.opening, candidate.cut.time_s)


class _Sampler:
    """Hands out frames in order of time, and a shot's opening frame if it got no other."""

    def __init__(self, on_frame: Callable[[SampledFrame], None]) -> None:
        self._on_frame = on_frame
        self._opening: SampledFrame | None = None
        self._held: deque[SampledFrame] = deque()

    def open_shot(self, opening: SampledFrame, begin_s: float) -> None:
        """A shot begins for certain, with this frame or, if it comes gradually, before it: close the one before."""
        self.release(begin_s)
        self._hand_out_opening()
        self._opening = opening

    def add(self, sample: SampledFrame) -> None:
        """Hold a frame until it is certain to which shot it belongs."""
        self._held.append(sample)

    def release(self, before_s: float) -> None:
        """Hand out frames earlier than `before_s`: they belong to the open shot."""
        while self._held and self._held[0].time_s < before_s:
            self._opening = None
            self._on_frame(self._held.popleft())

    def finish(self) -> None:
        """Hand out all that is left."""
        self.release(float("inf"))
        self._hand_out_opening()

    def _hand_out_opening(self) -> None:
        if self._opening is not None:
            self._on_frame(self._opening)
            self._opening = None
