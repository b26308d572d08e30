"""Settings of the whole suite."""

from hypothesis import settings

# Machines are shared and slow at times: an example that takes long is no failure.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")
