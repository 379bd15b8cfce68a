package httplimit

import (
	"net/http"
	"strconv"
	"time"

	"github.com/sluice-project/sluice"
)

// maxInteger is the greatest integer that a header field of RFC 9651 can hold.
const maxInteger = 999_999_999_999_999

// calendarWindows are how many seconds a window of a calendar lasts at most where no clocks are changed.
var calendarWindows = [...]int64{
	sluice.Hour:  60 * 60,
	sluice.Day:   24 * 60 * 60,
	sluice.Week:  7 * 24 * 60 * 60,
	sluice.Month: 31 * 24 * 60 * 60,
	sluice.Year:  366 * 24 * 60 * 60,
}

// AddHeaders adds to a response's header what a decision says, as in draft-ietf-httpapi-ratelimit-headers-11. A decision
// of [sluice.SourceErrorPolicy] knows nothing and adds nothing.
//
// RateLimit-Policy has an item for each limit, by the limit's name: q is its count, w its period, and sluice-burst what a
// token bucket holds, where that is not its count. RateLimit has for each limit r, what remains, and t, the effective
// window: the time for which the client should make do with r. It is the time until the limit reads as if it had never
// been used, or longer, so that r/t is never more than q/w: an hour's quota that comes back in a second is not announced
// as that quota per second. There are no partition keys.
//
// A limit that follows a calendar has no w, because its windows are not all of one length. Its t is reckoned as if each
// were as long as the longest hour, day, week, month or year is where no clocks are changed.
//
// A refusal sets Retry-After as well, at least 1, except where the cost can never fit: then there is no time to give. A
// limit that refused has the time after which it would not as its t, and the others have none, because Retry-After
// should not come before the end of a window.
//
// While a block bars the key, nothing remains of any limit, whatever it has counted: r is 0 and t the time of
// Retry-After, or, where the cost can never fit, the time until no block bars the key and all limits read as new.
//
// All times are whole seconds, rounded up.
func AddHeaders(h http.Header, d sluice.Decision) {
	if d.Source == sluice.SourceErrorPolicy {
		return
	}
	_, barred := d.Blocked()
	var policy, state []byte
	for i, l := range d.Limits() {
		if i > 0 {
			policy, state = append(policy, ", "...), append(state, ", "...)
		}
		window := seconds(l.Limit.Period())
		calendar, byCalendar := l.Limit.Calendar()
		if byCalendar {
			window = calendarWindows[calendar.Unit]
		}
		policy = appendName(policy, l.Limit)
		policy = appendParameter(policy, "q", l.Limit.Count())
		if !byCalendar {
			policy = appendParameter(policy, "w", window)
		}
		if burst := l.Limit.Burst(); burst != 0 && burst != l.Limit.Count() {
			policy = appendParameter(policy, "sluice-burst", burst)
		}
		state = appendName(state, l.Limit)
		if barred {
			state = appendParameter(state, "r", 0)
			state = appendParameter(state, "t", seconds(barredFor(d)))
			continue
		}
		state = appendParameter(state, "r", l.Remaining)
		switch {
		case d.Allowed || d.RetryAfter == sluice.Never:
			earned := divideUp(l.Remaining*window, l.Limit.Count()) // the product is below 2^57
			state = appendParameter(state, "t", min(max(seconds(l.ResetAfter), earned), maxInteger))
		case !l.Allowed:
			state = appendParameter(state, "t", seconds(l.RetryAfter))
		}
	}
	if len(policy) > 0 {
		h.Add("RateLimit-Policy", string(policy))
		h.Add("RateLimit", string(state))
	}
	if !d.Allowed && d.RetryAfter != sluice.Never {
		h.Set("Retry-After", strconv.FormatInt(retryAfter(d), 10))
	}
}

// appendName appends the limit's name as a string of RFC 9651. A legal name has no character that it would escape.
func appendName(b []byte, l sluice.Limit) []byte {
	b = append(b, '"')
	b = append(b, l.Name()...)
	return append(b, '"')
}

func appendParameter(b []byte, name string, value int64) []byte {
	b = append(b, ';')
	b = append(b, name...)
	b = append(b, '=')
	return strconv.AppendInt(b, value, 10)
}

// retryAfter returns the whole seconds to wait after a refusal that is not for ever, at least 1.
func retryAfter(d sluice.Decision) int64 { return max(1, seconds(d.RetryAfter)) }

// barredFor returns the time for which a decision of a key that a block bars leaves nothing of its limits.
func barredFor(d sluice.Decision) time.Duration {
	if d.RetryAfter == sluice.Never {
		return d.ResetAfter
	}
	return d.RetryAfter
}

// seconds returns a time of 0 or more in whole seconds, rounded up.
func seconds(d time.Duration) int64 {
	s := int64(d / time.Second)
	if d%time.Second > 0 {
		s++
	}
	return s
}

// divideUp returns a/b rounded up, for a of 0 or more and b of 1 or more.
func divideUp(a, b int64) int64 { return (a + b - 1) / b }
