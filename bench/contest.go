package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"
)

// group is the contests whose rows are one table.
type group struct {
	name    string
	title   string
	note    string // how to read the table
	columns []column
	metrics []metric // by which a row can be behind
	// ready is what is to be done before anything is measured; nil is nothing.
	ready func(ctx context.Context, progress io.Writer) error
	// redis says that the limiters use a redis-server, which they share.
	redis bool
	// allowance is what each key may use.
	allowance allowance
	contests  []contest
	// weigh says that the memory of keys is measured, in place of decisions.
	weigh bool
	// drive measures the contests in place of asking; nil where the limiters are asked.
	drive func(ctx context.Context, g group, s settings, progress io.Writer) ([]row, error)
}

// contest is the limiters that take turns under one load.
type contest struct {
	name     string // such as "redis/spread/256"
	label    string // for the chart, "" for one that is not drawn
	keys     string // what it says of them in the table, such as "spread"
	load     load
	limiters []limiter
	// refused says that all checks shall be refused, in place of allowed.
	refused bool
	// drive asks in place of goroutines, by a program of others.
	drive func(ctx context.Context, e *entrant, duration time.Duration) (figures, error)
}

// row is what one limiter did in one contest.
type row struct {
	contest    string
	label      string
	keys       string
	goroutines int
	limiter    string
	ours       bool
	yardstick  bool
	figures    figures
	span       float64 // from the slowest round to the fastest, as a share of the rate
}

// row returns one of a limiter in the contest, without figures.
func (c contest) row(l limiter) row {
	return row{
		contest: c.name, label: c.label, keys: c.keys, goroutines: c.load.goroutines,
		limiter: l.name, ours: l.ours, yardstick: l.yardstick,
	}
}

// entrant is a limiter that has been opened.
type entrant struct {
	limiter
	ask   ask
	scope *scope
	asked keyList // all keys that it may be asked for
}

// measure prepares the limiters and measures the contests one after the other.
func (g group) measure(ctx context.Context, s settings, progress io.Writer) (t table, err error) {
	t = table{title: g.title, note: g.note, columns: g.columns, metrics: g.metrics}
	var c clients
	if g.redis {
		if c, err = begin(ctx); err != nil {
			return t, err
		}
		defer c.end()
		t.title += ", Redis " + c.server.version
	}
	if g.weigh {
		t.rows, err = g.weighAll(ctx, c, s, progress)
		return t, err
	}
	if g.drive != nil {
		t.rows, err = g.drive(ctx, g, s, progress)
		return t, err
	}
	fmt.Fprintf(progress, "%s: verifying\n", g.name)
	entrants, err := g.prepare(ctx, c)
	defer func() {
		for _, e := range entrants {
			e.scope.end()
		}
	}()
	if err != nil {
		return t, fmt.Errorf("%s: %w", g.name, err)
	}
	for i, contest := range g.contests {
		fmt.Fprintf(progress, "%s (%d of %d)\n", contest.name, i+1, len(g.contests))
		more, err := contest.measure(ctx, entrants, s)
		if err != nil {
			return t, fmt.Errorf("%s: %w", contest.name, err)
		}
		t.rows = append(t.rows, more...)
	}
	return t, nil
}

// prepare verifies all limiters of the contests, then opens each with the group's allowance, and asks once for every
// key: by as many goroutines as there will ever be, so that the pools of connections have grown too. Limiters are by
// name; they are to be ended also after an error.
func (g group) prepare(ctx context.Context, c clients) (map[string]*entrant, error) {
	entrants := map[string]*entrant{}
	for _, l := range g.limiters() {
		if err := l.verify(ctx, c); err != nil {
			return entrants, fmt.Errorf("verify %s: %w", l.name, err)
		}
	}
	keys := g.keys()
	for _, l := range g.limiters() {
		e := &entrant{limiter: l, scope: &scope{clients: c}, asked: keys}
		if l.keys > 0 {
			e.asked = makeKeys(l.keys)
		}
		entrants[l.name] = e
		var err error
		if e.ask, err = l.open(e.scope, g.allowance); err != nil {
			return entrants, fmt.Errorf("open %s: %w", l.name, err)
		}
		err = forEach(e.asked.each(e.decisions()), g.crowd(), func(key string) error {
			_, err := e.ask(ctx, key)
			return err
		})
		if err != nil {
			return entrants, fmt.Errorf("fill %s: %w", l.name, err)
		}
		if l.keys > 0 {
			if err := e.scope.has(ctx, l.keys); err != nil {
				return entrants, fmt.Errorf("after %s were filled: %w", l.name, err)
			}
		}
	}
	return entrants, nil
}

// crowd is the most goroutines of all contests.
func (g group) crowd() int {
	crowd := 0
	for _, c := range g.contests {
		crowd = max(crowd, c.load.goroutines)
	}
	return crowd
}

// keys returns those of all contests, which begin alike; and if they are fewer, one for each goroutine.
func (g group) keys() keyList {
	keys := makeKeys(g.crowd())
	for _, c := range g.contests {
		if c.load.keys.len() > keys.len() {
			keys = c.load.keys
		}
	}
	return keys
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
func (c contest) measure(ctx context.Context, entrants map[string]*entrant, s settings) ([]row, error) {
	rounds := make([][]figures, len(c.limiters))
	for round := range s.rounds {
		for turn := range c.limiters {
			i := (turn + round) % len(c.limiters)
			e := entrants[c.limiters[i].name]
			load := c.load
			load.batch = e.decisions()
			if e.keys > 0 {
				load.keys = e.asked
			}
			run := func(d time.Duration) (figures, error) { return measure(ctx, e.ask, load, d, e.scope) }
			if c.drive != nil {
				run = func(d time.Duration) (figures, error) { return c.drive(ctx, e, d) }
			}
			// What it remembers has grown cold while others had their turn: that is not what is measured.
			if _, err := run(s.duration / 10); err != nil {
				return nil, fmt.Errorf("%s: %w", e.name, err)
			}
			f, err := run(s.duration)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", e.name, err)
			}
			if err := c.judge(f); err != nil {
				return nil, fmt.Errorf("%s: %w", e.name, err)
			}
			rounds[i] = append(rounds[i], f)
		}
	}
	rows := make([]row, len(c.limiters))
	for i, l := range c.limiters {
		rows[i] = c.row(l)
		rows[i].figures, rows[i].span = medianFigures(rounds[i])
	}
	return rows, nil
}

// judge returns an error where a limiter has not answered as the contest wants it.
func (c contest) judge(f figures) error {
	if allowed := 1 - f.refused - f.failed; c.refused && allowed > 1e-9 {
		return fmt.Errorf("it allowed %.2g of its checks; all should have been refused", allowed)
	}
	if !c.refused && f.refused > 0 {
		return fmt.Errorf("it refused %.2g of its checks; all should have been allowed", f.refused)
	}
	return nil
}
