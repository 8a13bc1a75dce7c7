"""From notes to sound, and from sound to the film: soundfont, render, mux."""
