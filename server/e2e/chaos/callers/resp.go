//go:build unix

package callers

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"

	"github.com/redis/go-redis/v9"

	"github.com/sluice-project/sluice/server/e2e/chaos/plan"
	"github.com/sluice-project/sluice/server/e2e/chaos/record"
	"github.com/sluice-project/sluice/server/e2e/chaos/world"
)

// respClient asks as a client of Redis would, in pipelines, by one connection that it keeps.
type respClient struct {
	client *redis.Client
	server *world.Server
	shown  *atomic.Pointer[string] // the token that the connection has shown last
	plan   *plan.Plan
}

func newRESP(s *world.Server, p *plan.Plan) respClient {
	shown := new(atomic.Pointer[string])
	shown.Store(new(string))
	return respClient{redis.NewClient(&redis.Options{
		Addr: s.RESP, MaxRetries: -1, DialerRetries: 1, DialTimeout: patience, ReadTimeout: patience, WriteTimeout: patience,
		Protocol: 2, DisableIdentity: true, PoolSize: 1, TLSConfig: s.TLS(),
		CredentialsProvider: func() (user, password string) {
			token := s.Token()
			shown.Store(&token)
			return "", token
		},
	}), s, shown, p}
}

func (c respClient) close() { _ = c.client.Close() } // its calls are over

// pipe sends a command for each check, and has each answer read.
func (c respClient) pipe(checks []record.Check, command func(*record.Check) []any, read func(*record.Check, []any) bool) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	pipe := c.client.Pipeline()
	token := c.server.Token()
	var proof *redis.Cmd
	if shown := *c.shown.Load(); shown != "" && shown != token { // the connection goes on with another
		proof = pipe.Do(ctx, "AUTH", token)
	}
	answers := make([]*redis.Cmd, len(checks))
	for i := range checks {
		answers[i] = pipe.Do(ctx, command(&checks[i])...)
	}
	_, _ = pipe.Exec(ctx) // each command has its own error
	if proof != nil && proof.Err() == nil {
		c.shown.Store(&token)
	}
	for i := range checks {
		parts, err := answers[i].Slice()
		refusal := redis.Error(nil)
		switch {
		case errors.As(err, &refusal) && denies(refusal.Error()):
			checks[i].Ending = record.Denied
		case errors.As(err, &refusal):
			checks[i].Ending = record.Failed
		case err != nil:
			checks[i].Ending = endingOf(err)
		case !read(&checks[i], parts):
			checks[i].Ending = record.Failed
		}
	}
}

// denies reports whether an error is that a token does not let its holder ask.
func denies(text string) bool {
	return strings.HasPrefix(text, "NOAUTH") || strings.HasPrefix(text, "WRONGPASS") || strings.HasPrefix(text, "NOPERM")
}

type respCheck struct{ respClient }

func newRESPCheck(s *world.Server, p *plan.Plan) (client, error) {
	return respCheck{newRESP(s, p)}, nil
}

func (c respCheck) ask(checks []record.Check) {
	c.pipe(checks, func(check *record.Check) []any {
		s := &c.plan.Subjects[check.Subject]
		return []any{"SL.CHECK", c.plan.Policies[s.Policy].Name, s.Key, int(check.Cost)}
	}, func(check *record.Check, parts []any) bool {
		var d decision
		for i := 0; i+1 < len(parts); i += 2 {
			switch parts[i] {
			case "allowed":
				d.Allowed = parts[i+1] == int64(1)
			case "remaining":
				n, _ := parts[i+1].(int64)
				d.Remaining = int32(n)
			case "source":
				d.Source, _ = parts[i+1].(string)
			}
		}
		d.write(check)
		return check.Ending == record.Answered
	})
}

type throttle struct{ respClient }

func newThrottle(s *world.Server, p *plan.Plan) (client, error) { return throttle{newRESP(s, p)}, nil }

func (c throttle) ask(checks []record.Check) {
	c.pipe(checks, func(check *record.Check) []any {
		a := plan.ThrottleArgs
		return []any{"CL.THROTTLE", c.plan.Subjects[check.Subject].Key, a[0], a[1], a[2], int(check.Cost)}
	}, func(check *record.Check, parts []any) bool {
		if len(parts) != 5 {
			return false
		}
		left, _ := parts[2].(int64)
		check.Source, check.Allowed, check.Remaining = record.Store, parts[0] == int64(0), int32(left)
		return true
	})
}
