package redisstore

import (
	"context"
	"fmt"

	"github.com/redis/rueidis"
	"github.com/sluice-project/sluice"
)

// group is the checks of one key under one policy, in order: the script reads and writes its state once.
type group struct {
	key     string
	policy  *sluice.Policy
	entries []*entry
}

// call has entries of one instant decided, in one script call, or on a Cluster in one for each key, which leave together. It writes
// their results.
func (s *Store) call(ctx context.Context, entries []*entry) {
	groups := s.groups(entries)
	if s.client.Mode() != rueidis.ClientModeCluster {
		s.readTogether(ctx, groups, s.script(ctx, groups))
		return
	}
	commands := make(rueidis.Commands, len(groups))
	for i := range groups {
		commands[i] = s.evalsha(groups[i : i+1])
	}
	for i, reply := range s.client.DoMulti(ctx, commands...) {
		if isNoScript(reply) {
			reply = s.client.Do(ctx, s.eval(groups[i:i+1]))
		}
		s.readTogether(ctx, groups[i:i+1], reply)
	}
}

func (s *Store) script(ctx context.Context, groups []group) rueidis.RedisResult {
	reply := s.client.Do(ctx, s.evalsha(groups))
	if isNoScript(reply) {
		reply = s.client.Do(ctx, s.eval(groups))
	}
	return reply
}

// groups puts entries of one key and policy together. Their order stays, and so does that of the groups' first ones.
func (s *Store) groups(entries []*entry) []group {
	if len(entries) == 1 {
		req := &entries[0].req
		return []group{{s.keys.state(req.Policy.Name, req.Key), req.Policy, entries}}
	}
	type identity struct {
		policy *sluice.Policy
		key    string
	}
	groups := make([]group, 0, len(entries))
	places := make(map[identity]int, len(entries))
	for _, e := range entries {
		id := identity{e.req.Policy, e.req.Key}
		place, known := places[id]
		if !known {
			place = len(groups)
			places[id] = place
			groups = append(groups, group{key: s.keys.state(e.req.Policy.Name, e.req.Key), policy: e.req.Policy})
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

// isNoScript reports whether Redis refused a call because it does not know the script: it did nothing, so that the call
// may be made again with the script itself.
func isNoScript(reply rueidis.RedisResult) bool {
	refusal, ok := rueidis.IsRedisErr(reply.Error())
	return ok && refusal.IsNoScript()
}

// readTogether writes the results of groups that shared a call.
func (s *Store) readTogether(ctx context.Context, groups []group, reply rueidis.RedisResult) {
	answers, err := reply.ToArray()
	if err == nil && len(answers) != len(groups) {
		err = fmt.Errorf("the script answered for %d keys, want %d", len(answers), len(groups))
	}
	for i, g := range groups {
		text, err := "", err
		if err == nil {
			text, err = answers[i].ToString()
		}
		if err != nil {
			err = failed(ctx, err)
		}
		g.read(text, err)
	}
}
