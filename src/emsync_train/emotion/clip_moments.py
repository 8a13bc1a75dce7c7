"""What every sense says of every clip, moment by moment, kept on disk: a network hears and sees a clip once.

    CACHE/image-efficientnet_lite0/Fear/Train_14.npz    times_s (M,), values float16 (M, D)

A sense that changes must change its `feature_name`, or the cache must be thrown away.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from emsync.emotion.moments import Moments
from emsync.emotion.sense import Sense
from emsync_train.emotion.data import Clip

ClipMoments = Mapping[str, Moments]
"""By sense, in one clip."""


def moments_of_clips(clips: Sequence[Clip], senses: Sequence[Sense], cache: Path) -> list[ClipMoments]:
    """Moments of each clip by sense, from the cache where they are there."""
    return [_moments_of_clip(clip, senses, cache) for clip in clips]


def read_moments(path: Path) -> Moments:
    """Moments that were written by `moments_of_clips`."""
    with np.load(path, allow_pickle=False) as stored:
        return Moments(stored["times_s"], stored["values"])


def path_of(clip: Clip, sense: Sense, cache: Path) -> Path:
    """Where the moments of a clip lie."""
    return cache / f"{sense.name}-{sense.feature_name}" / clip.label / f"{clip.path.stem}.npz"


def _moments_of_clip(clip: Clip, senses: Sequence[Sense], cache: Path) -> ClipMoments:
    new = [sense for sense in senses if not path_of(clip, sense, cache).exists()]
    if new:
        _watch(clip, new)
    for sense in new:
        path = path_of(clip, sense, cache)
        path.parent.mkdir(parents=True, exist_ok=True)
        moments = sense.moments()
        np.savez(path, times_s=moments.times_s, values=moments.values)
    return {sense.name: read_moments(path_of(clip, sense, cache)) for sense in senses}


def _watch(clip: Clip, senses: Sequence[Sense]) -> None:
    """Show a clip to senses, frames first, as `emsync.pipeline` does."""
    for sense in senses:
        sense.forget()
    for frame in clip.frames():
        for sense in senses:
            sense.accept_frame(frame)
    for patch in clip.patches():
        for sense in senses:
            sense.accept_sound(patch)
