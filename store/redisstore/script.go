package redisstore

import (
	"bytes"
	"context"
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

	"github.com/redis/rueidis"
	"github.com/sluice-project/sluice"
)

//go:embed scripts/limits.lua
var limitsSource string

//go:embed scripts/standing.lua
var standingSource string

//go:embed scripts/leases.lua
var leasesSource string

//go:embed scripts/states.lua
var statesSource string

//go:embed scripts/check.lua
var checkSource string

//go:embed scripts/lend.lua
var lendSource string

//go:embed scripts/reset.lua
var resetSource string

//go:embed scripts/quick.lua
var quickSource string

//go:embed scripts/amend.lua
var amendSource string

//go:embed scripts/index.lua
var indexSource string

// script is what is sent to Redis, and how Redis knows it once it has seen it.
type script struct{ source, sha string }

var (
	checkScript = newScript(
		"local function whole(now, born)", limitsSource, standingSource, leasesSource, statesSource, checkSource, "end", quickSource,
	)
	lendScript  = newScript("local born", limitsSource, standingSource, leasesSource, statesSource, lendSource)
	resetScript = newScript(resetSource)
	amendScript = newScript(limitsSource, standingSource, amendSource)
	indexScript = newScript(indexSource)
)

// newScript returns the script that consists of some files.
func newScript(files ...string) script {
	source := inlineConstants(strings.Join(files, "\n"))
	sum := sha1.Sum([]byte(source))
	return script{source, hex.EncodeToString(sum[:])}
}

// evalsha calls a script that Redis should know.
func (s *Store) evalsha(sc script, keys, args []string) rueidis.Completed {
	return s.client.B().Evalsha().Sha1(sc.sha).Numkeys(int64(len(keys))).Key(keys...).Arg(args...).Build()
}

// eval calls a script and makes Redis know it.
func (s *Store) eval(sc script, keys, args []string) rueidis.Completed {
	return s.client.B().Eval().Script(sc.source).Numkeys(int64(len(keys))).Key(keys...).Arg(args...).Build()
}

// scriptCall is what a script is called with.
type scriptCall struct{ keys, args []string }

// doScripts calls a script several times, all calls leaving together, and returns the replies in their order.
func (s *Store) doScripts(ctx context.Context, sc script, calls []scriptCall) []rueidis.RedisResult {
	replies := make([]rueidis.RedisResult, len(calls))
	left := make([]int, len(calls)) // the calls without a reply
	for i := range calls {
		left[i] = i
	}
	for len(left) > 0 {
		commands := make(rueidis.Commands, len(left))
		for i, n := range left {
			commands[i] = s.evalsha(sc, calls[n].keys, calls[n].args)
		}
		unknown := left[:0] // to nodes that have not seen the script
		for i, reply := range s.client.DoMulti(ctx, commands...) {
			if n := left[i]; refusedWith(reply, "NOSCRIPT") {
				unknown = append(unknown, n)
			} else {
				replies[n] = reply
			}
		}
		if left = unknown; len(left) > 0 { // each round teaches one node
			replies[left[0]] = s.client.Do(ctx, s.eval(sc, calls[left[0]].keys, calls[left[0]].args))
			left = left[1:]
		}
	}
	for _, reply := range replies {
		s.renewal.note(reply.Error())
	}
	s.renewal.renew(ctx, s.client, 0)
	return replies
}

// doScript calls a script once.
func (s *Store) doScript(ctx context.Context, sc script, call scriptCall) rueidis.RedisResult {
	return s.doScripts(ctx, sc, []scriptCall{call})[0]
}

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

const (
	alignedWindow  = 20
	calendarWindow = 21
)

// arguments returns the script's KEYS and ARGV for groups of checks at one instant, as the head of quick.lua says. They
// hold until c is asked for others.
func (s *Store) arguments(c *call, groups []group) (keys, args []string) {
	c.args = append(c.args[:0], "", "")
	if at := groups[0].first.req.At; at != 0 {
		c.args[0] = strconv.FormatInt(int64(at), 10)
	}
	c.plan = c.plan[:0]
	policies := make([]*group, 0, 8) // the first group of each
	last := 0                        // where the plan's last part begins
	for i := range groups {
		g := &groups[i]
		number := 0
		for number < len(policies) && (policies[number].policy != g.policy || policies[number].first.req.Before != g.first.req.Before) {
			number++
		}
		if number == len(policies) {
			policies = append(policies, g)
			c.args = append(c.args, packPolicy(g.policy, g.first.req.Before, groups[0].instant()))
		}
		last = c.ask(last, number+1, g)
	}
	c.args[1] = string(c.plan)
	return s.keyNames(c, groups), c.args
}

// keyNames returns the keys of groups, first all states. They are parts of one text, which is all that is made for them.
func (s *Store) keyNames(c *call, groups []group) []string {
	c.text, c.cuts = c.text[:0], c.cuts[:0]
	for i := range groups {
		g := &groups[i]
		spelled := s.keys.spell(g.first.req.Key)
		begin := len(c.text)
		c.text = s.keys.appendStanding(c.text, g.policy.Name, spelled)
		end := len(c.text)
		state := [2]int{begin, end - len(standingSuffix)} // the one is the beginning of the other, as a rule
		if g.policy.ResetAt != 0 {
			c.text = s.keys.appendState(c.text, g.policy, spelled)
			state = [2]int{end, len(c.text)}
		}
		c.cuts = append(c.cuts, state, [2]int{begin, end})
	}
	text := string(c.text)
	n := len(groups)
	c.keys = slices.Grow(c.keys[:0], 2*n)[:2*n]
	for i := range groups {
		state, standing := c.cuts[2*i], c.cuts[2*i+1]
		c.keys[i], c.keys[n+i] = text[state[0]:state[1]], text[standing[0]:standing[1]]
	}
	return c.keys
}

// How a check is asked.
const (
	peek      = 1
	uncounted = 2
	reporting = 4 // no check: refusals elsewhere that count before the next one
	giving    = 8 // no check: units given back before the next one, which is a look at what there is then
)

// ask adds to the plan what is asked of a group, under the policy of that number. Where it is the same as of the group
// before, whose part of the plan begins at last, that part says so. It returns where the plan's last part begins.
func (c *call) ask(last, policy int, g *group) int {
	begin := len(c.plan)
	b := append(c.plan, 0, 1, byte(policy>>8), byte(policy), 0, 0, 0)
	if g.again {
		b[begin+4] = 1
	}
	runs := 0
	for e := g.first; e != nil; {
		if e.req.Refusals > 0 {
			b = binary.BigEndian.AppendUint32(append(b, 0, 0), uint32(e.req.Refusals))
			b = append(b, reporting)
			runs++
		}
		if e.req.Refund > 0 {
			b = binary.BigEndian.AppendUint32(append(b, 0, 0), e.req.Refund)
			b = append(b, giving)
			runs++
		}
		f, times := e.next, 1
		for f != nil && f.req.Cost == e.req.Cost && f.req.Peek == e.req.Peek && f.req.Uncounted == e.req.Uncounted &&
			f.req.Refusals == 0 && f.req.Refund == 0 {
			f, times = f.next, times+1
		}
		how := byte(0)
		if e.req.Peek {
			how |= peek
		}
		if e.req.Uncounted {
			how |= uncounted
		}
		b = binary.BigEndian.AppendUint16(b, uint16(times))
		b = binary.BigEndian.AppendUint32(b, uint32(e.req.Cost))
		b = append(b, how)
		e, runs = f, runs+1
	}
	binary.BigEndian.PutUint16(b[begin+5:], uint16(runs))
	c.plan = b
	if begin > 0 && bytes.Equal(b[last+2:begin], b[begin+2:]) {
		same := b[last : last+2]
		binary.BigEndian.PutUint16(same, binary.BigEndian.Uint16(same)+1)
		c.plan = b[:begin]
		return last
	}
	return begin
}

// lastInstant is the last that a script can reckon with, in the year 2255.
const lastInstant = 1<<53 - 1

func packPolicy(p *sluice.Policy, before, now sluice.Tick) string {
	b := make([]byte, 0, 128)
	if before == 0 {
		before = lastInstant
	}
	b = appendInstant(b, before)
	if p.Penalty == nil {
		b = append(b, 0, 0, 0, 0)
	} else {
		b = binary.BigEndian.AppendUint32(b, uint32(p.Penalty.After))
		b = appendMillis(b, p.Penalty.Within)
		b = appendMillis(b, p.Penalty.For)
		b = appendMillis(b, p.Penalty.Longest())
	}
	return string(appendLimits(b, p.Limits, now))
}

// appendInstant appends 7 bytes. An instant before the epoch is one that has long passed, as is its first.
func appendInstant(b []byte, at sluice.Tick) []byte {
	n := uint64(min(max(at, 1), lastInstant))
	b = append(b, byte(n>>48), byte(n>>40), byte(n>>32))
	return binary.BigEndian.AppendUint32(b, uint32(n))
}

// appendMillis appends 5 bytes: whole milliseconds.
func appendMillis(b []byte, d time.Duration) []byte {
	n := uint64(d / time.Millisecond)
	return binary.BigEndian.AppendUint32(append(b, byte(n>>32)), uint32(n))
}

// appendLimits appends limits as they are asked at about an instant.
func appendLimits(b []byte, limits []sluice.Limit, now sluice.Tick) []byte {
	for i := range limits {
		l := &limits[i]
		name := l.Name()
		kind := kinds[l.Algorithm()]
		calendar, onCalendar := l.Calendar()
		switch {
		case onCalendar:
			kind = calendarWindow
		case l.Aligned():
			kind = alignedWindow
		}
		b = append(b, byte(len(name)))
		b = append(b, name...)
		b = append(b, kind)
		b = appendMillis(b, l.Period())
		b = binary.BigEndian.AppendUint32(b, uint32(l.Count()))
		b = binary.BigEndian.AppendUint32(b, uint32(l.Capacity()))
		if onCalendar {
			for _, edge := range calendar.Edges(now) {
				b = appendSigned(b, edge)
			}
		}
	}
	return b
}

// appendSigned appends 7 bytes: an instant that may lie before the epoch.
func appendSigned(b []byte, at sluice.Tick) []byte {
	n := uint64(at)
	return binary.BigEndian.AppendUint32(append(b, byte(n>>48), byte(n>>40), byte(n>>32)), uint32(n))
}

// What the script replies for each limit: retry after, reset after, remaining.
const (
	outcomeBytes = 7 + 7 + 4
	never        = 1 << 53
)

// read writes the group's results from what the script replied for its key: the outcomes alone, or with the standing of
// a key that is barred or has limits of its own. It reports whether a block bars the key.
func (g *group) read(answer rueidis.RedisMessage) (barred bool) {
	outcomes, limits, block := "", "", ""
	var err error
	if !answer.IsArray() {
		outcomes, err = answer.ToString()
	} else {
		var parts []string
		if parts, err = answer.AsStrSlice(); err == nil && len(parts) != 3 {
			err = fmt.Errorf("the script's reply for a key has %d parts, want 3", len(parts))
		}
		if err == nil {
			outcomes, limits, block = parts[0], parts[1], parts[2]
		}
	}
	if err != nil {
		g.fail(keyFailed(err))
		return false
	}
	policy := g.policy
	if limits != "" {
		own := *g.policy
		if own.Limits, err = unpackOwnLimits(limits); err != nil { // the script has decided by what it took for limits
			g.fail(uncertain(fmt.Errorf("%w: %w", sluice.ErrForeignState, err)))
			return false
		}
		policy = &own
	}
	free, bar, left, err := unpackBar(block, g.checks)
	size := outcomeBytes * len(policy.Limits)
	if err == nil && len(outcomes) != size*g.checks {
		err = fmt.Errorf("the script's reply has %d bytes, want %d for each of %d checks", len(outcomes), size, g.checks)
	}
	if err != nil {
		g.fail(uncertain(err))
		return false
	}
	i := 0
	for e := g.first; e != nil; e = e.next {
		req := e.req
		req.Policy = policy
		e.result.Decision = decision(req, outcomes[i*size:(i+1)*size])
		if i >= free {
			e.result.Decision.Bar(bar, left)
		}
		i++
	}
	return free < g.checks
}

func decision(req sluice.Request, reply string) sluice.Decision {
	d := sluice.NewDecision(req)
	for o := reply; len(o) > 0; o = o[outcomeBytes:] {
		retryAfter := ticks(o[:7])
		if req.Refund > 0 {
			retryAfter = 0 // a debt that is left refuses nobody who gives back
		}
		d.Add(sluice.Outcome{
			Allowed:    retryAfter == 0,
			RetryAfter: retryAfter,
			ResetAfter: ticks(o[7:14]),
			Remaining:  int64(bigEndian(o[14:18])),
		})
	}
	return d
}

// unpackBar reads the block that bars a key: how many of the checks came before it, which is all where there is none, the
// block, and how long it lasts yet.
func unpackBar(b string, checks int) (free int, bar sluice.Block, left time.Duration, err error) {
	const head = 2 + 7 + 7 + 1
	switch {
	case b == "":
		return checks, bar, 0, nil
	case len(b) < head:
		return 0, bar, 0, fmt.Errorf("the script's reply has a block of %d bytes, want %d at least", len(b), head)
	}
	bar = sluice.Block{Until: sluice.Tick(bigEndian(b[2:9])), Penalty: b[16] == 1, Reason: b[head:]}
	return int(bigEndian(b[:2])), bar, ticks(b[9:16]), nil
}

// ticks reads a span. One that is longer than any can be, because a value was written by something else, is the longest.
func ticks(b string) time.Duration {
	n := bigEndian(b)
	if n == never {
		return sluice.Never
	}
	return time.Duration(min(n, uint64(sluice.MaxWait/time.Microsecond))) * time.Microsecond
}

func bigEndian(b string) (n uint64) {
	for i := range len(b) {
		n = n<<8 | uint64(b[i])
	}
	return n
}
