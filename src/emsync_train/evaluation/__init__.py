"""What a composer is measured by: likelihood, boundaries, affect, music. `emsync_train.evaluate` runs them."""
