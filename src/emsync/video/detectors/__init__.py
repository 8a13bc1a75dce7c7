"""Cut detectors, one a file; each has a `make_detector()` that satisfies `emsync.video.cuts.CutDetector`."""
