"""Training, evaluation and export of the weights that `emsync` ships; torch lives here."""
