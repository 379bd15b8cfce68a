package redisstore

import (
	"crypto/sha1"
	_ "embed"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strconv"
	"time"

	"github.com/sluice-project/sluice"
)

//go:embed scripts/check.lua
var checkScript string

// checkSHA is how Redis knows the script once it has seen it.
var checkSHA = func() string {
	sum := sha1.Sum([]byte(checkScript))
	return hex.EncodeToString(sum[:])
}()

// kinds are the numbers by which the script knows an algorithm; aligned fixed windows are a kind of their own. Adding
// one, or changing what is stored for one, takes new numbers: those of a version that is running must keep their sense.
var kinds = [...]byte{
	sluice.SlidingWindow:  16,
	sluice.TokenBucket:    17,
	sluice.FixedWindow:    18,
	sluice.SlidingCounter: 19,
}

const alignedWindow = 20

// arguments returns the script's ARGV for a request; the script's head says what each is.
func arguments(req sluice.Request) []string {
	peek, instant := "0", ""
	if req.Peek {
		peek = "1"
	}
	if req.At != 0 {
		instant = strconv.FormatInt(int64(req.At), 10)
	}
	return []string{strconv.FormatInt(req.Cost, 10), peek, packLimits(req.Policy.Limits), instant}
}

func packLimits(limits []sluice.Limit) string {
	b := make([]byte, 0, 128)
	for i := range limits {
		l := &limits[i]
		name := l.Name()
		kind := kinds[l.Algorithm()]
		if l.Aligned() {
			kind = alignedWindow
		}
		period := uint64(l.Period() / time.Millisecond)
		b = append(b, byte(len(name)))
		b = append(b, name...)
		b = append(b, kind, byte(period>>32))
		b = binary.BigEndian.AppendUint32(b, uint32(period))
		b = binary.BigEndian.AppendUint32(b, uint32(l.Count()))
		b = binary.BigEndian.AppendUint32(b, uint32(l.Capacity()))
	}
	return string(b)
}

// What the script replies for each limit: retry after, reset after, remaining.
const (
	outcomeBytes = 7 + 7 + 4
	never        = 1 << 53
)

// decision reads the script's reply.
func decision(req sluice.Request, reply string) (sluice.Decision, error) {
	if len(reply) != outcomeBytes*len(req.Policy.Limits) {
		return sluice.Decision{}, fmt.Errorf("the script's reply has %d bytes, want %d for each of %d limits: is another program using this prefix?",
			len(reply), outcomeBytes, len(req.Policy.Limits))
	}
	d := sluice.NewDecision(req)
	for i := range req.Policy.Limits {
		o := reply[i*outcomeBytes:]
		retryAfter := ticks(o[:7])
		d.Add(sluice.Outcome{
			Allowed:    retryAfter == 0,
			RetryAfter: retryAfter,
			ResetAfter: ticks(o[7:14]),
			Remaining:  int64(bigEndian(o[14:18])),
		})
	}
	return d, nil
}

func ticks(b string) time.Duration {
	n := bigEndian(b)
	if n == never {
		return sluice.Never
	}
	return time.Duration(n) * time.Microsecond
}

func bigEndian(b string) (n uint64) {
	for i := range len(b) {
		n = n<<8 | uint64(b[i])
	}
	return n
}
