"""DM's methods as the engine calls them: one mixin for each service, the same for every backend."""
