"""Tools of the download scripts: files over HTTP, archives and lists of photos."""
