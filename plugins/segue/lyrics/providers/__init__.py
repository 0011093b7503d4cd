"""Where lyrics come from: one file a provider behind the protocol of `segue.lyrics.lookup`."""
