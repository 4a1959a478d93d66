"""The protocols the gateway's state is served over; siblings that know the engine and not each other."""
