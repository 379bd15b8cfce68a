package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/spf13/cobra"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/policy"
	"github.com/sluice-project/sluice/server/httpapi"
)

func newOverride() *cobra.Command {
	var (
		asked  admin
		except sluice.Exception
		remove bool
	)
	const example = "api tenant-42 100/s"
	c := &cobra.Command{
		Use:   "override POLICY KEY (LIMIT... | --remove)",
		Short: "Give a key, or all keys with a prefix, limits of their own",
		Long: `Gives a key of a policy limits of its own in the place of all that the policy has, for
good or for a time. A limit is known by its name, which is its period unless it is given
as in second=100/s; one that has the name of a limit of the policy goes on with what that
has counted.

A KEY that ends in * is a prefix: its override becomes part of the policy's document. One
key's override beats those of prefixes, and a longer prefix a shorter one. --remove takes
away what was set so; "sluice policies set" takes away what a policy's document has for
one key.

Exit status: 0 done, 2 an error.`,
		Example: `  sluice override api tenant-42 "100/s burst 200" 50000/day
  sluice override api tenant-42 second=100/s --for 7d
  sluice override api "trial-*" 1/s
  sluice override api tenant-42 --remove`,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(c *cobra.Command, args []string) error {
			switch {
			case remove && len(args) != 2:
				return wrongCount(args, "POLICY and KEY with --remove", "api tenant-42 --remove")
			case !remove && len(args) < 3:
				return wrongCount(args, "POLICY, KEY and LIMIT, or --remove", example)
			case remove && c.Flags().Changed("for"):
				return errors.New("--for goes with limits, not with --remove: leave out one of the two")
			case c.Flags().Changed("for") && except.For == 0:
				return errors.New("--for: it is 0s; it must be 1ms to 366d, or left out where the limits are for good")
			}
			if err := wantName("POLICY", args[0], example); err != nil {
				return err
			}
			q := question{policy: args[0], key: args[1]}
			var err error
			if except.Limits, err = parseLimits(args[2:]); err != nil {
				return err
			}
			if !remove {
				if err := (sluice.Amendment{Policy: q.policy, Key: q.key, Except: &except}).Validate(); err != nil {
					return err
				}
			}
			return asked.ask(func(r *remote) error {
				if remove {
					if err := removeOverride(c.Context(), r, q); err != nil {
						return err
					}
					return done(c, asked.asJSON, r.passing, map[string]bool{"removed": true}, "removed: the override of %s", shown(q.key))
				}
				set, err := setOverride(c.Context(), r, q, except)
				if err != nil {
					return err
				}
				return done(c, asked.asJSON, r.passing, set, "override: %s has %s, %s",
					shown(q.key), limitsText(set.Override.Limits), untilText(set.Override.Until))
			})
		},
	}
	asked.add(c, "the override")
	c.Flags().Var((*duration)(&except.For), "for", "how long, such as 12h or 7d (default for good)")
	c.Flags().BoolVar(&remove, "remove", false, "take the override away")
	return c
}

// parseLimits reads limits, each LIMIT or NAME=LIMIT.
func parseLimits(args []string) ([]sluice.Limit, error) {
	limits := make([]sluice.Limit, len(args))
	for i, text := range args {
		name, rest, named := strings.Cut(text, "=")
		if named {
			text = rest
		}
		l, err := sluice.ParseLimit(text)
		if err != nil {
			return nil, fmt.Errorf("LIMIT: %w", err)
		}
		if named {
			l = l.WithName(name)
		}
		limits[i] = l
	}
	return limits, nil
}

// prefix reports whether a question is about all keys that begin alike.
func (q question) prefix() bool { return strings.HasSuffix(q.key, "*") }

// setOverride sets the override of a key or prefix.
func setOverride(ctx context.Context, r *remote, q question, e sluice.Exception) (overridden, error) {
	if q.prefix() {
		return overridePattern(ctx, r, q, e)
	}
	return overrideKey(ctx, r, q, e)
}

// removeOverride takes it away.
func removeOverride(ctx context.Context, r *remote, q question) error {
	if q.prefix() {
		return removePattern(ctx, r, q)
	}
	return r.forget(ctx, q, "/override")
}

// overridden is an override as a server answers it.
type overridden struct {
	Override httpapi.Override `json:"override"`
}

// overrideKey sets the override of one key.
func overrideKey(ctx context.Context, r *remote, q question, e sluice.Exception) (set overridden, err error) {
	body := map[string]any{"limits": httpapi.NamedLimits(e.Limits)}
	if e.For != 0 {
		body["for_ms"] = milliseconds(e.For)
	}
	answer, err := r.amend(ctx, q, "/override", body)
	if err != nil {
		return set, err
	}
	return set, r.read(answer, &set, "override")
}

// overridePattern sets the override of a prefix, which is part of the document of its policy.
func overridePattern(ctx context.Context, r *remote, q question, e sluice.Exception) (set overridden, err error) {
	set.Override.Limits = e.Limits
	if e.For != 0 {
		set.Override.Until = time.Now().Add(e.For).UTC().Truncate(time.Millisecond)
	}
	document, err := json.Marshal(set.Override)
	if err != nil {
		return set, err
	}
	_, err = r.change(ctx, policyKind, q.policy, "", func(all []policy.Leaf) ([]policy.Leaf, error) {
		return setLeaf(all, policy.Leaf{Field: "overrides", Name: q.key, Value: string(document)}), nil
	})
	return set, err
}

// removePattern takes the override of a prefix out of the document of its policy.
func removePattern(ctx context.Context, r *remote, q question) error {
	_, err := r.change(ctx, policyKind, q.policy, "", func(all []policy.Leaf) ([]policy.Leaf, error) {
		left := setLeaf(all, policy.Leaf{Field: "overrides", Name: q.key})
		if len(left) == len(all) {
			return nil, fmt.Errorf("the policy %s has no override of %s; \"sluice overrides %s\" lists those that it has", q.policy, shown(q.key), q.policy)
		}
		return left, nil
	})
	return err
}
