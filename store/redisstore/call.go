package redisstore

import (
	"context"
	"fmt"
	"strings"

	"github.com/redis/rueidis"
	"github.com/sluice-project/sluice"
)

// group is the checks of one key under one policy, in order: the script reads and writes its state once.
type group struct {
	key     string
	policy  *sluice.Policy
	entries []*entry
}

// call has entries of one instant decided in one script call, and writes their results.
func (s *Store) call(ctx context.Context, entries []*entry) {
	groups := s.groups(entries)
	reply := s.client.Do(ctx, s.evalsha(groups))
	if refusedWith(reply, "NOSCRIPT") {
		reply = s.client.Do(ctx, s.eval(groups))
	}
	if len(groups) > 1 && refusedWith(reply, "CROSSSLOT") { // a Cluster that does not look like one; nothing was done
		s.combiner.apart.Store(true)
		s.callApart(ctx, groups)
		return
	}
	read(ctx, groups, reply)
}

// callApart has groups decided in a call for each, which leave together.
func (s *Store) callApart(ctx context.Context, groups []group) {
	for len(groups) > 0 {
		calls := make(rueidis.Commands, len(groups))
		for i := range groups {
			calls[i] = s.evalsha(groups[i : i+1])
		}
		var unknown []group // to nodes that have not seen the script
		for i, reply := range s.client.DoMulti(ctx, calls...) {
			if refusedWith(reply, "NOSCRIPT") {
				unknown = append(unknown, groups[i])
				continue
			}
			read(ctx, groups[i:i+1], reply)
		}
		if groups = unknown; len(groups) > 0 { // each round teaches one node
			read(ctx, groups[:1], s.client.Do(ctx, s.eval(groups[:1])))
			groups = groups[1:]
		}
	}
}

// groups puts entries of one key and policy together. Those of one key stay in their order.
func (s *Store) groups(entries []*entry) []group {
	if len(entries) == 1 {
		req := &entries[0].req
		return []group{{s.keys.state(req.Policy.Name, req.Key), req.Policy, entries}}
	}
	type identity struct{ policy, key string }
	groups := make([]group, 0, len(entries))
	places := make(map[identity]int, len(entries))
	for _, e := range entries {
		id := identity{e.req.Policy.Name, e.req.Key}
		place, known := places[id]
		if !known || groups[place].policy != e.req.Policy {
			place = len(groups)
			places[id] = place
			groups = append(groups, group{key: s.keys.state(id.policy, id.key), policy: e.req.Policy})
		}
		groups[place].entries = append(groups[place].entries, e)
	}
	return groups
}

func (s *Store) evalsha(groups []group) rueidis.Completed {
	keys, args := arguments(groups)
	return s.client.B().Evalsha().Sha1(checkSHA).Numkeys(int64(len(keys))).Key(keys...).Arg(args...).Build()
}

func (s *Store) eval(groups []group) rueidis.Completed {
	keys, args := arguments(groups)
	return s.client.B().Eval().Script(checkScript).Numkeys(int64(len(keys))).Key(keys...).Arg(args...).Build()
}

// refusedWith reports whether Redis refused a call with an error code. After NOSCRIPT, which means that it does not know
// the script, and CROSSSLOT nothing was done, so that the call may be made again in another form.
func refusedWith(reply rueidis.RedisResult, code string) bool {
	refusal, ok := rueidis.IsRedisErr(reply.Error())
	return ok && strings.HasPrefix(refusal.Error(), code)
}

// read writes the results of groups that shared a call.
func read(ctx context.Context, groups []group, reply rueidis.RedisResult) {
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
		text, err := answers[i].ToString()
		if err != nil {
			g.fail(keyFailed(err))
			continue
		}
		g.read(text)
	}
}

// fail gives all checks of the group one error.
func (g group) fail(err error) {
	for _, e := range g.entries {
		e.result.Err = err
	}
}
