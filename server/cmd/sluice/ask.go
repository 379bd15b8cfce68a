package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/server/httpapi"
)

// question is what check, peek, reset, block and unblock are about.
type question struct {
	policy string // "" for limits of the caller's own, in the namespace
	limits []string
	// namespace is that of the limits; "" for the default one.
	namespace string
	key       string // any bytes
	cost      int64
}

// asker answers questions: a server, or a store without one.
type asker interface {
	check(context.Context, question) (httpapi.Decision, error)
	peek(context.Context, question) (httpapi.KeyState, error)
	reset(context.Context, question) error
	block(context.Context, question, sluice.Bar) (blocked, error)
	unblock(context.Context, question) error
	// ends reports whether what was changed ends with the process that was asked.
	ends() bool
	close()
}

// target is whom a command asks.
type target struct {
	server endpoint
	store  string
	config string
}

// add adds the flags that say whom.
func (t *target) add(c *cobra.Command) {
	t.server.add(c)
	c.Flags().StringVar(&t.store, "store", "", "URL of the Redis to ask directly, without a server, such as redis://127.0.0.1:6379")
	c.Flags().StringVar(&t.config, "config", "", "configuration file with the policies and the store, for asking without a server")
	for _, flag := range serverFlags {
		c.MarkFlagsMutuallyExclusive(flag, "store")
		c.MarkFlagsMutuallyExclusive(flag, "config")
	}
}

// open returns what answers: the store where one is given, else the server.
func (t *target) open() (asker, error) {
	if t.store != "" || t.config != "" {
		return openDirect(t.store, t.config)
	}
	r, err := t.server.open()
	if err != nil {
		return nil, err
	}
	r.remedy += " or --store URL"
	return r, nil
}

// subject is what a command asks about, as its flags say.
type subject struct {
	limits    []string
	namespace string
	cost      int64
}

func (s *subject) add(c *cobra.Command) {
	c.Flags().StringArrayVar(&s.limits, "limit", nil, `limit of your own in place of a policy, such as 5/hour or "10/s burst 20"; may be repeated`)
	c.Flags().StringVar(&s.namespace, "namespace", "", "with --limit: what keeps its counters apart from those of others (default "+httpapi.DefaultNamespace+")")
	s.cost = 1
	c.Flags().Var((*units)(&s.cost), "cost", "units to ask for")
}

// units is the value of a flag that counts units. Whoever is asked says whether it is in its range.
type units int64

func (u *units) String() string { return strconv.FormatInt(int64(*u), 10) }

func (u *units) Set(text string) error {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return fmt.Errorf("it must be a whole number from 0 to %d", int64(sluice.MaxCount))
	}
	*u = units(n)
	return nil
}

// Type returns what the help calls the value.
func (u *units) Type() string { return "int" }

// question reads the arguments: POLICY KEY, or KEY where there are limits.
func (s *subject) question(args []string) (question, error) {
	q := question{limits: s.limits, namespace: s.namespace, cost: s.cost}
	switch {
	case len(s.limits) == 0 && s.namespace != "":
		return q, errors.New("--namespace goes with --limit: give a limit too, such as --limit 5/hour")
	case len(s.limits) > 0 && len(args) == 1:
		q.key = args[0]
	case len(s.limits) > 0:
		return q, fmt.Errorf("there are %d arguments; with --limit give one, KEY, as in --limit 5/hour deploy", len(args))
	case len(args) == 2 && args[0] == "":
		return q, errors.New("POLICY is empty; name one, as in api alice, or give a limit, as in --limit 5/hour deploy")
	case len(args) == 2:
		q.policy, q.key = args[0], args[1]
	default:
		return q, fmt.Errorf("there are %d arguments; give POLICY and KEY, as in api alice, or a limit and KEY, as in --limit 5/hour deploy", len(args))
	}
	return q, nil
}

// waitFor asks again until it is allowed. It gives up, with the refusal, as soon as the time until it would be allowed
// is more than what is left of most.
func waitFor(most time.Duration, ask func() (httpapi.Decision, error)) (httpapi.Decision, error) {
	deadline := time.Now().Add(most)
	for {
		d, err := ask()
		if err != nil || d.Allowed || d.RetryAfterMS == nil {
			return d, err
		}
		pause := time.Duration(*d.RetryAfterMS) * time.Millisecond
		if pause == 0 {
			pause = time.Second // the store did not answer, and the policy refuses then
		}
		if time.Until(deadline) < pause {
			return d, nil
		}
		time.Sleep(pause)
	}
}
