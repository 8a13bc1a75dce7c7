"""Music for a finished video: emotion that follows the film, chords that land on its cuts."""

__version__ = "0.1.0"
