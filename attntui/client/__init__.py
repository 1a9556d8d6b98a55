"""The screen's side of the pipe: starts, feeds, stops and restarts the engine."""
