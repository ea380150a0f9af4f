"""The shell around the core: cache, feeds, loop, work queue and executor; everything that waits, writes or fails."""
