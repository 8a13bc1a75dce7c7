"""Affect labels of training music: fits the regressor that `emsync.music.affect_reading` reads affect with.

A ridge regression from the features of `music_features` to the ratings that about 30 listeners gave every
measure of VGMIDI's piano pieces, then a monotone map so that the training corpus fills [-1, 1]. The numbers
lie in `emsync/assets/affect_regressor.json`; `docs/affect-labels.md` says what they can and cannot know.

Command: python -m emsync_train.labels fit --affect DIR --midi DIR --manifest FILE --out FILE
"""

from __future__ import annotations

from emsync_train import affect_fit
from emsync_train.fit_command import fit_command


def main() -> None:
    """Command line of this module."""
    fit_command("emsync_train.labels", "the regressor", affect_fit.fit_files)


if __name__ == "__main__":
    main()
