"""Downloading files over HTTP, archives and lists of photos, for the download scripts."""
