package redisstore

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/redis/rueidis"
	"github.com/sluice-project/sluice"
)

// group is the checks of one key under one policy, in order: the script reads and writes its state once.
type group struct {
	state, standing string // the keys in Redis
	policy          *sluice.Policy
	before          sluice.Tick
	entries         []*entry
	clock           sluice.Tick // what Redis's clock is thought to read
	told            bool        // it has told so itself
}

// instant is about when the group is decided: the edges of calendar windows are sent that lie around it.
func (g group) instant() sluice.Tick {
	if at := g.entries[0].req.At; at != 0 {
		return at
	}
	return g.clock
}

// call has entries of one instant decided in one script call, and writes their results.
func (s *Store) call(ctx context.Context, entries []*entry) {
	groups := s.groups(entries)
	keys, args := arguments(groups)
	reply := s.client.Do(ctx, s.evalsha(checkScript, keys, args))
	if refusedWith(reply, "NOSCRIPT") {
		reply = s.client.Do(ctx, s.eval(checkScript, keys, args))
	}
	if len(groups) > 1 && refusedWith(reply, "CROSSSLOT") { // a Cluster that does not look like one; nothing was done
		s.combiner.apart.Store(true)
		s.callApart(ctx, groups)
		return
	}
	s.again(ctx, s.read(ctx, groups, reply))
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
		calls[i].keys, calls[i].args = arguments(groups[i : i+1])
	}
	var outside []group
	for i, reply := range s.doScripts(ctx, checkScript, calls) {
		outside = append(outside, s.read(ctx, groups[i:i+1], reply)...)
	}
	s.again(ctx, outside)
}

// groups puts entries of one key and policy together, up to mostTogether. Those of one key stay in their order.
func (s *Store) groups(entries []*entry) []group {
	if len(entries) == 1 {
		return []group{s.group(&entries[0].req, entries)}
	}
	type identity struct{ policy, key string }
	groups := make([]group, 0, len(entries))
	places := make(map[identity]int, len(entries))
	for _, e := range entries {
		id := identity{e.req.Policy.Name, e.req.Key}
		place, known := places[id]
		if !known || !groups[place].takes(e) {
			place = len(groups)
			places[id] = place
			groups = append(groups, s.group(&e.req, nil))
		}
		groups[place].entries = append(groups[place].entries, e)
	}
	return groups
}

// takes reports whether an entry of the group's key can be one of it.
func (g group) takes(e *entry) bool {
	return g.policy == e.req.Policy && g.before == e.req.Before && len(g.entries) < mostTogether
}

func (s *Store) group(req *sluice.Request, entries []*entry) group {
	p := req.Policy
	spelled := s.keys.spell(req.Key)
	return group{
		state: s.keys.state(p, spelled), standing: s.keys.standing(p.Name, spelled), policy: p, before: req.Before,
		entries: entries, clock: sluice.Tick(s.now().UnixMicro()),
	}
}

// refusedWith reports whether Redis refused a call with an error code. After NOSCRIPT, which means that it does not know
// the script, and CROSSSLOT nothing was done, so that the call may be made again in another form.
func refusedWith(reply rueidis.RedisResult, code string) bool {
	refusal, ok := rueidis.IsRedisErr(reply.Error())
	return ok && strings.HasPrefix(refusal.Error(), code)
}

// read writes the results of groups that shared a call. It returns those that were not decided and should be asked for
// again, because Redis's clock reads what their callers did not expect.
func (s *Store) read(ctx context.Context, groups []group, reply rueidis.RedisResult) (outside []group) {
	answers, err := reply.ToArray()
	if err == nil && len(answers) != len(groups) {
		err = fmt.Errorf("the script answered for %d keys, want %d", len(answers), len(groups))
	}
	if err != nil {
		err = failed(ctx, err)
	}
	for i, g := range groups {
		if err != nil {
			g.fail(err)
			continue
		}
		if told, ok := outsideOf(answers[i]); ok && !g.told {
			g.clock, g.told = told, true
			outside = append(outside, g)
			continue
		}
		if g.read(answers[i]) {
			last := g.entries[len(g.entries)-1]
			block, _ := last.result.Decision.Blocked()
			s.notes.add(blockNote{g.policy.Name, listed{s.keys.entry(last.req.Key), block.Until}})
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
func (g group) fail(err error) {
	for _, e := range g.entries {
		e.result.Err = err
	}
}
