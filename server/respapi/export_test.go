package respapi

// BoundWide lets so many sessions hold much. It is called before the first connection.
func (d *Door) BoundWide(most int64) { d.mostWide = most }

// Wide returns how many sessions may hold much.
func (d *Door) Wide() int64 { return d.wide.Load() }
