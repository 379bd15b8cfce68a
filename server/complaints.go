package server

import (
	"maps"
	"regexp"
	"time"
)

// complaints says which errors are worth a line of the log: one that lasts is worth one, however long, and those that take
// turns, as nodes do of which none can be reached, are worth one each in a repeatTime.
type complaints struct {
	last string               // the kind of the latest that was worth it
	said map[string]time.Time // when each kind was, within the last repeatTime
}

// repeatTime is how long after it was worth a line an error is not worth another one, whatever comes in between.
const repeatTime = time.Minute

// numbers are what differs in the texts of one error: the time, a port, an attempt.
var numbers = regexp.MustCompile("[0-9]+")

// worth reports whether an error at an instant is worth a line, and notes that it gets one.
func (c *complaints) worth(err error, now time.Time) bool {
	kind := numbers.ReplaceAllString(err.Error(), "0")
	maps.DeleteFunc(c.said, func(_ string, at time.Time) bool { return now.Sub(at) >= repeatTime })
	if _, recently := c.said[kind]; recently || kind == c.last {
		return false
	}
	if c.said == nil {
		c.said = map[string]time.Time{}
	}
	c.last, c.said[kind] = kind, now
	return true
}
