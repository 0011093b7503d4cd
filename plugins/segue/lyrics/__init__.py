"""Lyrics: where they come from, which ones are a song's, collecting them, and their words."""
