package denycache

// Running reports whether [Store.Run] has begun.
func (s *Store) Running() bool { return s.running.Load() }
