package main

import (
	"context"
	"fmt"
	"io"
	"regexp"
	"slices"
)

// group is the contests on one store.
type group struct {
	store    string // "redis" or "memory"
	contests []contest
}

// contest is the limiters that take turns under one load.
type contest struct {
	name     string // such as "redis/spread/256"
	keys     string // "spread" or "hot"
	load     load
	limiters []limiter
}

// row is what one limiter did in one contest.
type row struct {
	contest    string
	keys       string
	goroutines int
	limiter    string
	ours       bool
	figures    figures
	span       float64 // from the slowest round to the fastest, as a share of the rate
}

// plan returns the contests of all rows that the expression matches.
func plan(only *regexp.Regexp) []group {
	groups := []group{
		{store: "redis", contests: contests("redis", redisLimiters(), 8, only)},
		{store: "memory", contests: contests("memory", memoryLimiters(), 64, only)},
	}
	return slices.DeleteFunc(groups, func(g group) bool { return g.contests == nil })
}

// contests returns those of one store, in which one check of every so many is timed.
func contests(store string, limiters []limiter, every int, only *regexp.Regexp) []contest {
	keys := makeKeys(spreadKeys)
	var all []contest
	for _, c := range []contest{
		{keys: "spread", load: load{keys: keys, goroutines: 1}},
		{keys: "spread", load: load{keys: keys, goroutines: 16}},
		{keys: "spread", load: load{keys: keys, goroutines: mostGoroutines}},
		{keys: "hot", load: load{keys: keys[:1], goroutines: 1}},
		{keys: "hot", load: load{keys: keys[:1], goroutines: 16}},
		{keys: "hot", load: load{keys: keys[:1], goroutines: mostGoroutines}},
	} {
		c.name = fmt.Sprintf("%s/%s/%d", store, c.keys, c.load.goroutines)
		c.load.every = every
		for _, l := range limiters {
			if only.MatchString(c.name+"/"+l.name) && (!l.crowdOnly || c.load.goroutines == mostGoroutines) {
				c.limiters = append(c.limiters, l)
			}
		}
		if c.limiters != nil {
			all = append(all, c)
		}
	}
	return all
}

// measure prepares the limiters and measures the contests one after the other.
func (g group) measure(ctx context.Context, s settings, progress io.Writer) (table, error) {
	t := table{title: g.store}
	var c clients
	if g.store == "redis" {
		server, err := startRedis(ctx)
		if err != nil {
			return t, err
		}
		defer server.stop()
		t.title += " " + server.version
		if c, err = connect(server.addr); err != nil {
			return t, err
		}
		defer c.close()
	}
	fmt.Fprintf(progress, "%s: verifying\n", g.store)
	asks, err := g.prepare(ctx, c)
	if err != nil {
		return t, fmt.Errorf("%s: %w", g.store, err)
	}
	for i, contest := range g.contests {
		fmt.Fprintf(progress, "%s (%d of %d)\n", contest.name, i+1, len(g.contests))
		more, err := contest.measure(ctx, asks, s)
		if err != nil {
			return t, fmt.Errorf("%s: %w", contest.name, err)
		}
		t.rows = append(t.rows, more...)
	}
	return t, nil
}

// prepare verifies all limiters of the contests, then opens each with plenty of units, and asks once for every key: by
// as many goroutines as there will ever be, so that the pools of connections have grown too. Limiters are by name.
func (g group) prepare(ctx context.Context, c clients) (map[string]ask, error) {
	asks := map[string]ask{}
	for _, l := range g.limiters() {
		strict, err := l.open(c, few)
		if err != nil {
			return nil, fmt.Errorf("open %s: %w", l.name, err)
		}
		if err := verify(ctx, strict, makeKeys(verifiedKeys), few.burst); err != nil {
			return nil, fmt.Errorf("verify %s: %w", l.name, err)
		}
		if err := c.forget(ctx); err != nil {
			return nil, err
		}
		if asks[l.name], err = l.open(c, plenty); err != nil {
			return nil, fmt.Errorf("open %s: %w", l.name, err)
		}
	}
	for name, ask := range asks {
		err := forEach(makeKeys(spreadKeys), mostGoroutines, func(key string) error {
			_, err := ask(ctx, key)
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("fill %s: %w", name, err)
		}
	}
	return asks, nil
}

// limiters returns those of all contests, each once.
func (g group) limiters() []limiter {
	var all []limiter
	for _, c := range g.contests {
		for _, l := range c.limiters {
			if !slices.ContainsFunc(all, func(have limiter) bool { return have.name == l.name }) {
				all = append(all, l)
			}
		}
	}
	return all
}

// measure lets the limiters take turns, in another order each round.
func (c contest) measure(ctx context.Context, asks map[string]ask, s settings) ([]row, error) {
	rounds := make([][]figures, len(c.limiters))
	for round := range s.rounds {
		for turn := range c.limiters {
			i := (turn + round) % len(c.limiters)
			name := c.limiters[i].name
			f, err := measure(ctx, asks[name], c.load, s.duration)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			if f.refused > 0 {
				return nil, fmt.Errorf("%s refused %.2g of its checks; all should have been allowed", name, f.refused)
			}
			rounds[i] = append(rounds[i], f)
		}
	}
	rows := make([]row, len(c.limiters))
	for i, l := range c.limiters {
		rows[i] = row{contest: c.name, keys: c.keys, goroutines: c.load.goroutines, limiter: l.name, ours: l.ours}
		rows[i].figures, rows[i].span = medianFigures(rounds[i])
	}
	return rows, nil
}
