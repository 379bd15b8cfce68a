package algorithm

// Admissions returns how many entries the log of the first limit has.
func (r *Record) Admissions() int { return len(r.first.log.entries) }
