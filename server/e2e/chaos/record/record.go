// Package record is what was seen of a run: what was asked and answered, what was broken meanwhile, and what was there at
// the end. It says nothing of what is right, and imports nothing of the product.
//
// All instants are nanoseconds since the epoch by the clock of the machine, which is the one that Redis decides by; times
// that something took are measured by the monotonic clock.
package record

import "math"

// Door is a way in.
type Door uint8

// The doors.
const (
	HTTPCheck Door = iota
	HTTPBatch
	Authorize
	Envoy
	RESPCheck
	Throttle
	Doors
)

func (d Door) String() string {
	return [...]string{"/v1/check", "/v1/checks", "/v1/authorize", "Envoy gRPC", "SL.CHECK", "CL.THROTTLE"}[d]
}

// Source is who decided.
type Source uint8

// The sources. Of the doors that do not say who decided, Store is an answer that has the numbers of a decision, and
// ErrorPolicy one that has none.
const (
	None Source = iota // there is no decision: an error, or no answer at all
	Store
	Lease
	DenyCache
	Fallback
	ErrorPolicy
	Sources
)

func (s Source) String() string {
	return [...]string{"no decision", "store", "lease", "deny-cache", "fallback", "error-policy"}[s]
}

// SourceOf returns the source that an answer names.
func SourceOf(text string) (Source, bool) {
	for s := Store; s < Sources; s++ {
		if s.String() == text {
			return s, true
		}
	}
	return None, false
}

// Ending is how a question ended that has no decision.
type Ending uint8

// The endings.
const (
	Answered Ending = iota // with a decision
	Failed                 // with an error that the server answered
	Refused                // no connection was made: nothing was asked
	Broken                 // the connection ended before there was an answer
	Silent                 // there was no answer before the caller gave up
	Denied                 // the server answered that the caller's token does not let it ask
	Endings
)

func (e Ending) String() string {
	return [...]string{"answered", "answered an error", "not connected", "cut off", "without an answer", "denied"}[e]
}

// Unknown is the remainder of an answer that does not say it.
const Unknown = math.MinInt32

// Check is one check.
type Check struct {
	Asked     int64  // when the question left
	Took      int64  // until the answer was there
	Subject   uint16 // of the subjects of the run
	Cost      uint16
	Remaining int32 // what the answer says is left, or Unknown
	Door      Door
	Server    uint8
	Source    Source
	Ending    Ending
	Allowed   bool
}

// Answered is when the answer was there, or the caller had given up.
func (c *Check) Answered() int64 { return c.Asked + c.Took }

// Algorithm is what a limit counts by.
type Algorithm uint8

// The algorithms.
const (
	TokenBucket Algorithm = iota
	SlidingWindow
	FixedWindow   // from first use
	AlignedWindow // from multiples of the period
	SlidingCounter
)

// Limit is so many units in a period.
type Limit struct {
	Algorithm Algorithm
	Count     int64
	Period    int64 // in nanoseconds
	Burst     int64 // of a token bucket
}

// Policy is what is limited by what.
type Policy struct {
	Name    string
	Limits  []Limit
	Deny    bool // what is answered when the store fails
	Local   bool // when the store fails, each server decides by its share
	Lent    bool // servers take units ahead
	Share   int64
	Cached  bool // servers remember refusals
	Foreign bool // it is Envoy's or redis-cell's, and not one of the server's policies
}

// Subject is one key under one policy.
type Subject struct {
	Policy int
	Key    string
	Tag    string // what stands between the braces of its key in Redis; "" where that is not known
}

// Fault is something that was broken, and when. The span is from when it began to when it was mended as far as it can be.
type Fault struct {
	Kind, Target string
	From, To     int64
	// Servers are those that were hurt themselves: killed, or frozen. What they have not answered in time is no news.
	Servers []int
	// Anew are the servers that know nothing afterwards of what they have decided by themselves: not how much, or not when.
	Anew []int
	// Forgets says that Redis may have lost what it knew, at an instant between ForgetFrom and ForgetTo, of the keys of a
	// shard, or of all where that is negative.
	Forgets              bool
	ForgetFrom, ForgetTo int64
	Shard                int
	// Note is what was seen, such as that it could not be done.
	Note string
}

// Ping is a question to a server that needs no store: how long it took says how long the machine let the server, or the
// one who asks, not run.
type Ping struct {
	Server int
	Asked  int64
	Took   int64
	Failed bool
}

// Tick is a line of a schedule's history.
type Tick struct {
	Due, At int64
	By      string
	Error   string
	To      string
}

// Reading is the history of a schedule at an instant, the newest first.
type Reading struct {
	At       int64
	Schedule string
	Ticks    []Tick
	Limit    int64 // to which the schedule has raised what it raises
	Final    bool  // it was read when nothing was broken any more, and goes back to the beginning
}

// Left is a key that was in Redis at the end.
type Left struct {
	Key string
	TTL int64 // milliseconds; -1 for none
}

// Process is what a server took, before anything was broken and at the end.
type Process struct {
	Server                     int
	GoroutinesFirst, Goroutine int64
	BytesFirst, Bytes          int64
}

// Run is all that was seen.
type Run struct {
	Topology  string
	Begin     int64 // when callers began
	Mended    int64 // when the last fault had been mended
	End       int64 // when callers ended
	Deadline  int64 // how long the store has for a check
	Servers   int
	Shards    int
	Policies  []Policy
	Subjects  []Subject
	Checks    []Check
	Faults    []Fault
	Pings     []Ping
	Late      []Ping // of those who asked: how much later than it should they were woken
	Readings  []Reading
	Left      []Left
	Processes []Process
	Secrets   []Secret
	Shown     []Shown
}
