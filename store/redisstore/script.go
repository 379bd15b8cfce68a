package redisstore

import (
	"crypto/sha1"
	_ "embed"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-project/sluice"
)

//go:embed scripts/check.lua
var checkSource string

// checkScript is what is sent to Redis, and checkSHA how Redis knows it once it has seen it.
var (
	checkScript = inlineConstants(checkSource)
	checkSHA    = func() string {
		sum := sha1.Sum([]byte(checkScript))
		return hex.EncodeToString(sum[:])
	}()
)

// constant is a line of the script that names one or more numbers.
var constant = regexp.MustCompile(`(?m)^local ([A-Z_]+(?:, [A-Z_]+)*) = ([0-9]+(?:, [0-9]+)*)\b.*$`)

// inlineConstants puts the numbers of a script's constants in the place of their names.
func inlineConstants(source string) string {
	numbers := make(map[string]string)
	for _, line := range constant.FindAllStringSubmatch(source, -1) {
		values := strings.Split(line[2], ", ")
		for i, name := range strings.Split(line[1], ", ") {
			numbers[name] = values[i]
		}
	}
	source = constant.ReplaceAllString(source, "")
	return regexp.MustCompile(`\b[A-Z_]{2,}\b`).ReplaceAllStringFunc(source, func(word string) string {
		if number, ok := numbers[word]; ok {
			return number
		}
		return word
	})
}

// kinds are the numbers by which the script knows an algorithm; aligned fixed windows are a kind of their own. Adding
// one, or changing what is stored for one, takes new numbers: those of a version that is running must keep their sense.
var kinds = [...]byte{
	sluice.SlidingWindow:  16,
	sluice.TokenBucket:    17,
	sluice.FixedWindow:    18,
	sluice.SlidingCounter: 19,
}

const alignedWindow = 20

// arguments returns the script's KEYS and ARGV for groups of checks at one instant; the script's head says what each is.
func arguments(groups []group) (keys, args []string) {
	keys = make([]string, len(groups))
	args = make([]string, 1+len(groups), 2+len(groups))
	if at := groups[0].entries[0].req.At; at != 0 {
		args[0] = strconv.FormatInt(int64(at), 10)
	}
	var policies []*sluice.Policy
	for i, g := range groups {
		keys[i] = g.key
		number := slices.Index(policies, g.policy)
		if number < 0 {
			number = len(policies)
			policies = append(policies, g.policy)
			args = append(args, packLimits(g.policy.Limits))
		}
		args[1+i] = packChecks(number+1, g.entries)
	}
	return keys, args
}

func packChecks(limits int, entries []*entry) string {
	b := make([]byte, 0, 32)
	b = binary.BigEndian.AppendUint16(b, uint16(limits))
	for _, e := range entries {
		b = binary.BigEndian.AppendUint32(b, uint32(e.req.Cost))
		if e.req.Peek {
			b = append(b, 1)
		} else {
			b = append(b, 0)
		}
	}
	return string(b)
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

// read writes the group's results from the script's reply.
func (g group) read(reply string) {
	size := outcomeBytes * len(g.policy.Limits)
	if len(reply) != size*len(g.entries) {
		g.fail(uncertain(fmt.Errorf("the script's reply has %d bytes, want %d for each of %d checks", len(reply), size, len(g.entries))))
		return
	}
	for i, e := range g.entries {
		e.result.Decision = decision(e.req, reply[i*size:(i+1)*size])
	}
}

func decision(req sluice.Request, reply string) sluice.Decision {
	d := sluice.NewDecision(req)
	for o := reply; len(o) > 0; o = o[outcomeBytes:] {
		retryAfter := ticks(o[:7])
		d.Add(sluice.Outcome{
			Allowed:    retryAfter == 0,
			RetryAfter: retryAfter,
			ResetAfter: ticks(o[7:14]),
			Remaining:  int64(bigEndian(o[14:18])),
		})
	}
	return d
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
