"""From DM's records, as JSON text, to the model: the same for every backend."""
