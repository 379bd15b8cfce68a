package redisstore

import (
	"context"
	"fmt"
	"hash/maphash"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/rueidis"
	"github.com/sluice-project/sluice"
)

// call is one round trip: the checks that leave together, and what is needed to write them down. It is used again.
type call struct {
	nth     int // of the calls of its lane
	entries []*entry
	ready   []*caller // those who have all that they asked for
	groups  []group
	places  [2 * mostTogether]uint16 // a hash table: the group of a key, counted from 1
	keys    []string
	args    []string
	text    []byte
	cuts    [][2]int // where in the text the keys are
	plan    []byte
}

var calls = sync.Pool{New: func() any { return new(call) }}

// group is the checks of one key under one policy, in order: the script reads and writes its state once.
type group struct {
	policy      *sluice.Policy
	first, last *entry // a list
	checks      int
	again       bool        // the call has a group before that shares the key's state or standing
	clock       sluice.Tick // what Redis's clock is thought to read
	told        bool        // it has told so itself
}

// instant is about when the group is decided: the edges of calendar windows are sent that lie around it.
func (g *group) instant() sluice.Tick {
	if at := g.first.req.At; at != 0 {
		return at
	}
	return g.clock
}

// call has entries of one instant decided in one script call, and writes their results.
func (s *Store) call(c *call) {
	ctx := newDeadline(s.timeout)
	defer ctx.release()
	s.group(c)
	reply := s.ask(ctx, c)
	for pause := shortestPause; refusedWith(reply, "TRYAGAIN") && ctx.pause(pause, s.timeout/2); pause = min(2*pause, longestPause) {
		reply = s.ask(ctx, c) // nothing was done: the keys are on their way to another node of the Cluster
	}
	if len(c.groups) > 1 && refusedWith(reply, "CROSSSLOT") { // a Cluster that does not look like one; nothing was done
		s.combiner.apart.Store(true)
		s.callApart(ctx, c.groups)
	} else {
		s.again(ctx, s.read(ctx, c.groups, reply))
	}
	s.renewal.renew(ctx, s.client, c.nth)
	clear(c.groups)
}

// The times that lie between one attempt and the next while a Cluster moves the keys of a call. Attempts end when half of
// the time that a call may take is over, so that its callers hear of it.
const (
	shortestPause = time.Millisecond
	longestPause  = 16 * time.Millisecond
)

// ask makes a call, and a second one where Redis does not know the script.
func (s *Store) ask(ctx context.Context, c *call) rueidis.RedisResult {
	keys, args := s.arguments(c, c.groups)
	var reply rueidis.RedisResult
	if c.nth == 0 {
		reply = s.client.Do(ctx, s.evalsha(checkScript, keys, args))
	} else { // a blocking command is one that has a connection for itself
		count := strconv.Itoa(len(keys))
		reply = s.client.Do(ctx, s.client.B().Arbitrary("EVALSHA", checkScript.sha, count).Keys(keys...).Args(args...).Blocking())
	}
	if refusedWith(reply, "NOSCRIPT") {
		reply = s.client.Do(ctx, s.eval(checkScript, keys, args))
	}
	return reply
}

// again asks once more for groups that were not decided because Redis's clock is far from this machine's, now that it
// has told what it reads.
func (s *Store) again(ctx context.Context, groups []group) {
	if len(groups) > 0 {
		s.callApart(ctx, groups)
	}
}

// callApart has groups decided in a call for each, which leave together.
func (s *Store) callApart(ctx context.Context, groups []group) {
	calls := make([]scriptCall, len(groups))
	for i := range groups {
		calls[i].keys, calls[i].args = s.arguments(new(call), groups[i:i+1])
	}
	var outside []group
	for i, reply := range s.doScripts(ctx, checkScript, calls) {
		outside = append(outside, s.read(ctx, groups[i:i+1], reply)...)
	}
	s.again(ctx, outside)
}

var seed = maphash.MakeSeed()

// group puts a call's entries of one key and policy together. Those of one key stay in their order.
func (s *Store) group(c *call) {
	c.groups = c.groups[:0]
	clear(c.places[:])
	var clock sluice.Tick
	for _, e := range c.entries {
		e.next = nil
		again := false
		place := maphash.String(seed, e.req.Key) % uint64(len(c.places))
		for ; c.places[place] != 0; place = (place + 1) % uint64(len(c.places)) {
			g := &c.groups[c.places[place]-1]
			if g.first.req.Key != e.req.Key || g.policy.Name != e.req.Policy.Name {
				continue
			}
			if again = g.policy != e.req.Policy || g.first.req.Before != e.req.Before; !again {
				g.last.next, g.last = e, e
				g.checks++
			}
			break
		}
		if c.places[place] != 0 && !again {
			continue
		}
		if clock == 0 {
			clock = sluice.Tick(s.now().UnixMicro())
		}
		c.groups = append(c.groups, group{policy: e.req.Policy, first: e, last: e, checks: 1, again: again, clock: clock})
		c.places[place] = uint16(len(c.groups))
	}
}

// refusedWith reports whether Redis refused a call with an error code. After NOSCRIPT, which means that it does not know
// the script, and CROSSSLOT nothing was done, so that the call may be made again in another form.
func refusedWith(reply rueidis.RedisResult, code string) bool {
	err := reply.Error()
	if err == nil {
		return false
	}
	refusal, ok := rueidis.IsRedisErr(err)
	return ok && strings.HasPrefix(refusal.Error(), code)
}

// read writes the results of groups that shared a call. It returns those that were not decided and should be asked for
// again, because Redis's clock reads what their callers did not expect.
func (s *Store) read(ctx context.Context, groups []group, reply rueidis.RedisResult) (outside []group) {
	answer, err := reply.ToMessage()
	if err != nil {
		s.renewal.note(err)
		err = failed(ctx, err)
	}
	var parts []rueidis.RedisMessage
	var quick string
	if err == nil {
		if !answer.IsArray() {
			quick, err = answer.ToString()
		} else if parts, err = answer.ToArray(); err == nil && len(parts) > 0 {
			quick, err = parts[0].ToString()
			parts = parts[1:]
		}
		if err == nil && len(quick) < instantBytes+len(groups) {
			err = fmt.Errorf("the script answered in %d bytes for %d keys", len(quick), len(groups))
		}
		if err != nil {
			err = uncertain(err)
		}
	}
	var now sluice.Tick
	if err == nil {
		now, quick = sluice.Tick(bigEndian(quick[:instantBytes])), quick[instantBytes:]
	}
	for i := range groups {
		g := &groups[i]
		if err != nil {
			g.fail(err)
			continue
		}
		if quick == "" || quick[0] != otherAnswer {
			if quick, err = g.replay(now, quick); err != nil {
				err = uncertain(err) // and where the next answer begins is not known
				g.fail(err)
			}
			continue
		}
		if quick = quick[1:]; len(parts) == 0 {
			err = uncertain(fmt.Errorf("the script's reply ends before the answer for key %d of %d", i+1, len(groups)))
			g.fail(err)
			continue
		}
		answer := parts[0]
		parts = parts[1:]
		if told, ok := outsideOf(answer); ok && !g.told {
			g.clock, g.told = told, true
			outside = append(outside, *g)
			continue
		}
		s.renewal.note(answer.Error())
		if g.read(answer) {
			block, _ := g.last.result.Decision.Blocked()
			s.notes.add(blockNote{g.policy.Name, listed{s.keys.entry(g.last.req.Key), block.Until}})
		}
	}
	return outside
}

// outsideOf reports whether a key was not decided because Redis's clock reads an instant outside of the windows that
// were sent, and which.
func outsideOf(answer rueidis.RedisMessage) (now sluice.Tick, outside bool) {
	refusal, ok := rueidis.IsRedisErr(answer.Error())
	if !ok {
		return 0, false
	}
	text, outside := strings.CutPrefix(refusal.Error(), "OUTSIDE ")
	n, err := strconv.ParseInt(text, 10, 64)
	return sluice.Tick(n), outside && err == nil
}

// fail gives all checks of the group one error.
func (g *group) fail(err error) {
	for e := g.first; e != nil; e = e.next {
		e.result.Err = err
	}
}

// deadline is a context that ends at an instant. Most calls have been answered long before and nobody has waited for
// that end: its timer is made for who does.
type deadline struct {
	at     time.Time
	mu     sync.Mutex
	timed  context.Context
	cancel context.CancelFunc
}

func newDeadline(timeout time.Duration) *deadline { return &deadline{at: time.Now().Add(timeout)} }

// Deadline implements [context.Context].
func (d *deadline) Deadline() (time.Time, bool) { return d.at, true }

// Done implements [context.Context].
func (d *deadline) Done() <-chan struct{} { return d.context().Done() }

// Err implements [context.Context].
func (d *deadline) Err() error {
	d.mu.Lock()
	timed := d.timed
	d.mu.Unlock()
	switch {
	case timed != nil:
		return timed.Err()
	case !time.Now().Before(d.at):
		return d.context().Err()
	}
	return nil
}

// Value implements [context.Context].
func (d *deadline) Value(any) any { return nil }

// pause waits for a time, unless no more than least would then be left.
func (d *deadline) pause(t, least time.Duration) bool {
	if time.Until(d.at) < t+least {
		return false
	}
	time.Sleep(t)
	return true
}

func (d *deadline) context() context.Context {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timed == nil {
		d.timed, d.cancel = context.WithDeadline(context.Background(), d.at)
	}
	return d.timed
}

// release ends the timer, if there is one.
func (d *deadline) release() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.cancel != nil {
		d.cancel()
	}
}
