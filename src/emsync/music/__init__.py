"""From a cue sheet to notes: spotting, tokens, the composer and its MIDI file."""
