// Package doctor looks at the Redis that a store is to be in, and says what would bite.
//
// Each look is a small function in a table, see checks.go. It finds that all is well, something worth knowing, something
// that will hurt, or something that keeps Sluice from working; it says so in one sentence with the figure that it has
// seen, and says what to do. Where Redis does not tell, because a managed offer forbids a command or the user may not
// run it, that is a note and no fault: who is careful with permissions is not to be punished.
//
// It asks of Redis what it needs to, writes a few keys of its own, which expire and are removed, and changes nothing
// else. It imports the Redis store, which knows the URL and how keys are spelled, and the rueidis client.
package doctor

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/redis/rueidis"

	"github.com/sluice-project/sluice/store/redisstore"
)

// Result is what a look comes to. The greater is the worse.
type Result int

// The results.
const (
	OK      Result = iota // as it should be
	Note                  // worth knowing, or Redis does not tell
	Warning               // it will hurt, on some day
	Failure               // Sluice does not work so, or loses what is meant to stay
)

func (r Result) String() string { return [...]string{"ok", "note", "warning", "failure"}[r] }

// MarshalText implements [encoding.TextMarshaler].
func (r Result) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// Finding is what one look has found.
type Finding struct {
	// Name is that of the look, such as "eviction".
	Name string `json:"name"`
	// Result is what it comes to.
	Result Result `json:"result"`
	// Found is a sentence with what was seen.
	Found string `json:"found"`
	// Remedy is what to do; "" where there is nothing.
	Remedy string `json:"remedy,omitempty"`
}

// Report is all that was found.
type Report struct {
	// Store is the URL without user, password and parameters.
	Store string `json:"store"`
	// Result is the worst of the findings.
	Result Result `json:"result"`
	// Checks are the findings, in the order of the table. Where Redis cannot be reached there is one.
	Checks []Finding `json:"checks"`
}

// Config says what is looked at. Only URL is needed.
type Config struct {
	// URL is that of the store, as [redisstore.ClientOption] reads it.
	URL string
	// Prefix begins the keys of the store; "sluice:" by default.
	Prefix string
	// Timeout is how long a check may wait for the store, by which latencies are judged; 100 ms by default.
	Timeout time.Duration
	// Keys is how many keys are looked at for what is wrong with them; 20,000 by default.
	Keys int

	ahead map[string]time.Duration // how far tests have the clock of a server be ahead
}

// patience is how long the answer to one command is waited for.
const patience = 5 * time.Second

// ErrMemory says that there is nothing to look at.
var ErrMemory = errors.New("the store is memory, which is in the process that serves and has no server to look at: give the URL of a Redis, as in --store redis://127.0.0.1:6379")

// Examine looks at everything. The error says that it could not begin: the configuration is wrong. A Redis that cannot be
// reached is a finding.
func Examine(ctx context.Context, c Config) (Report, error) {
	if c.URL == "memory" || c.URL == "" {
		return Report{}, ErrMemory
	}
	if c.Prefix == "" {
		c.Prefix = "sluice:"
	}
	if c.Timeout == 0 {
		c.Timeout = 100 * time.Millisecond
	}
	if c.Keys == 0 {
		c.Keys = 20_000
	}
	option, err := redisstore.ClientOption(c.URL)
	if err != nil {
		return Report{}, err
	}
	if _, err := redisstore.New(nil, redisstore.Config{Prefix: c.Prefix, Timeout: c.Timeout}); err != nil {
		return Report{}, err // the prefix is none
	}
	option.ConnWriteTimeout = max(option.ConnWriteTimeout, patience)

	r := Report{Store: withoutUser(c.URL)}
	add := func(f Finding) {
		r.Checks = append(r.Checks, f)
		r.Result = max(r.Result, f.Result)
	}
	client, err := connect(ctx, option)
	if err != nil {
		f := unreachable(err, option)
		f.Name = "reach"
		add(f)
		return r, nil
	}
	defer client.Close()
	p := newPatient(ctx, c, option, client)
	for _, look := range checks {
		if look.of != nil && !look.of(p) {
			continue
		}
		f := look.look(ctx, p)
		f.Name = look.name
		add(f)
	}
	return r, nil
}

// connect reaches Redis; it returns when ctx ends, though the client knows no context.
func connect(ctx context.Context, option rueidis.ClientOption) (rueidis.Client, error) {
	type attempt struct {
		client rueidis.Client
		err    error
	}
	attempts := make(chan attempt, 1)
	go func() {
		client, err := rueidis.NewClient(option)
		attempts <- attempt{client, err}
	}()
	select {
	case a := <-attempts:
		return a.client, a.err
	case <-ctx.Done():
		go func() {
			if late := <-attempts; late.err == nil {
				late.client.Close()
			}
		}()
		return nil, ctx.Err()
	}
}

// withoutUser returns a URL without its user, password and query.
func withoutUser(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "at a URL that cannot be read"
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}

// The findings, which the table gives their names.

func well(format string, args ...any) Finding {
	return Finding{Result: OK, Found: fmt.Sprintf(format, args...)}
}

func (f Finding) as(r Result, remedy string) Finding {
	f.Result, f.Remedy = r, remedy
	return f
}

// worst returns the finding that is the worst, the first of several.
func worst(all []Finding) Finding {
	return slices.MaxFunc(all, func(a, b Finding) int { return int(a.Result) - int(b.Result) })
}
