package respapi

import (
	"fmt"
	"time"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/engine"
)

// throttle is one CL.THROTTLE, as far as its answer needs to know it.
type throttle struct {
	fault     string // what it is answered without being decided; "" where it is decided
	limit     int64  // the greatest quantity that ever fits
	closed    bool   // not even one fits
	taking    bool   // it asks for units
	keyLength int
}

// The texts of redis-cell's errors, which programs may look for.
const (
	cellError  = "Cell error: Store error: "
	cellUsage  = cellError + "Usage: cl.throttle <key> <max_burst> <count per period> <period> [<quantity>]"
	cellNoRate = cellError + "Zero rates are not supported"
	cellNumber = cellError + "Couldn't parse as integer: "
)

// The greatest numbers of a CL.THROTTLE.
const (
	maxBurst   = sluice.MaxCount - 1
	maxSeconds = int64(sluice.MaxPeriod / time.Second)
)

// readThrottle reads the arguments of a CL.THROTTLE in the order in which redis-cell does, so that the first fault is the
// same one.
func (s *session) readThrottle(args [][]byte) (t throttle, q engine.RuleQuery) {
	if len(args) != 5 && len(args) != 6 {
		return throttle{fault: cellUsage}, q
	}
	numbers := [4]int64{3: 1} // burst, count, period, quantity
	for i, arg := range args[2:] {
		n, ok := wholeNumber(arg)
		if !ok {
			return throttle{fault: cellNumber + printable(arg, 64)}, q
		}
		numbers[i] = n
	}
	burst, count, seconds, quantity := numbers[0], numbers[1], numbers[2], numbers[3]
	if fault := throttleFault(args[1], burst, count, seconds, quantity); fault != "" {
		return throttle{fault: fault}, q
	}
	t = throttle{limit: burst + 1, closed: burst < 0, taking: quantity > 0, keyLength: len(args[1])}
	rule, err := s.recent.of(rate{max(1, t.limit), count, seconds}, &s.door.rules)
	if err != nil {
		return throttle{fault: cellError + err.Error()}, q
	}
	q.Rule = rule
	switch {
	case t.closed || quantity == 0:
		q.Peek = true
	case quantity > 0:
		q.Cost = quantity
	default:
		q.Refund = -quantity
	}
	return t, q
}

// throttleFault says what is wrong with numbers that can be read; "" where nothing is.
func throttleFault(key []byte, burst, count, seconds, quantity int64) string {
	fault := func(what, must string, n int64) string {
		return fmt.Sprintf("%sThe %s is %d; it must be %s", cellError, what, n, must)
	}
	switch {
	case count == 0 || seconds == 0:
		return cellNoRate
	case burst > maxBurst || burst < -sluice.MaxCount:
		return fault("max_burst", fmt.Sprintf("0 to %d", int64(maxBurst)), burst)
	case count < 0 || count > sluice.MaxCount:
		return fault("count per period", fmt.Sprintf("1 to %d", int64(sluice.MaxCount)), count)
	case seconds < 0 || seconds > maxSeconds:
		return fault("period", fmt.Sprintf("1 to %d seconds, which are 366 days", maxSeconds), seconds)
	case quantity > sluice.MaxCount || quantity < -sluice.MaxCount:
		return fault("quantity", fmt.Sprintf("-%d to %d", int64(sluice.MaxCount), int64(sluice.MaxCount)), quantity)
	case burst < 0 && quantity < 0:
		return fault("max_burst", "0 or more where units are given back", burst)
	case len(key) == 0 || len(key) > sluice.MaxKeyBytes:
		return fmt.Sprintf("%sThe key has %d bytes; it must have 1 to %d", cellError, len(key), sluice.MaxKeyBytes)
	}
	return ""
}

// answerThrottle appends the five numbers of redis-cell, or the error.
func (r *reply) answerThrottle(t *throttle, result *engine.Result) {
	if result.Err != nil {
		r.fail(cellError + storeText(result.Err))
		return
	}
	limited, remaining, retry := int64(0), result.Answer.Remaining, int64(-1)
	switch {
	case t.closed:
		remaining = 0
		if t.taking || t.limit < 0 || result.Answer.ResetAfter > 0 {
			limited = 1
		}
	case !result.Answer.Allowed:
		limited = 1
		if result.Answer.RetryAfter != sluice.Never {
			retry = cellSeconds(result.Answer.RetryAfter)
		}
	}
	r.array(5)
	r.integer(limited)
	r.integer(t.limit)
	r.integer(remaining)
	r.integer(retry)
	r.integer(cellSeconds(result.Answer.ResetAfter))
}

// cellSeconds returns a time in whole seconds as redis-cell rounds it: a fraction counts as one more if it is at least a
// millisecond.
func cellSeconds(d time.Duration) int64 {
	seconds := int64(d / time.Second)
	if d%time.Second >= time.Millisecond {
		seconds++
	}
	return seconds
}
