package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/redis/rueidis"
	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/store/lease"
	"github.com/sluice-project/sluice/store/ledger"
	"github.com/sluice-project/sluice/store/redisstore"
)

// reconnectTime is how long lies between two attempts to reach a Redis that has not been reached yet. Half of the 600 ms
// within which one that is back decides again are left for connecting, twice, and for the looks of the breaker.
const reconnectTime = 250 * time.Millisecond

// redis is a store in Redis that need not be there when the server starts. Until it has been reached for the first time
// every call is answered at once with the reason; from then on the client reconnects by itself.
type redis struct {
	address string // the URL at the start
	option  rueidis.ClientOption
	logins  logins // those of the option
	config  redisstore.Config
	where   string // the URL without user and password
	logger  *slog.Logger

	reached atomic.Pointer[Connection] // nil until it has been
	reason  atomic.Pointer[error]      // why it has not
	tried   chan struct{}              // closed after the first attempt
}

func newRedis(address string, config redisstore.Config, logger *slog.Logger) (*redis, error) {
	option, err := clientOption(address, config.Timeout)
	if err != nil {
		return nil, err
	}
	r := &redis{
		address: address, option: option, config: config, where: withoutUser(address), logger: logger, tried: make(chan struct{}),
	}
	r.logins.use(&r.option)
	connecting := errors.New("the first attempt to connect is under way")
	r.reason.Store(&connecting)
	return r, nil
}

// clientOption returns the options of the client for the URL of a store. Unless the URL says write_timeout, the client
// waits for an answer as long as the store may take.
func clientOption(address string, storeTimeout time.Duration) (rueidis.ClientOption, error) {
	option, err := redisstore.ClientOption(address)
	if err != nil {
		return option, fmt.Errorf("store: %w", err)
	}
	if u, err := url.Parse(address); err == nil && !u.Query().Has("write_timeout") {
		option.ConnWriteTimeout = max(option.ConnWriteTimeout, storeTimeout)
	}
	return option, nil
}

// Connect reaches the Redis at a URL. The error says what is wrong without the user and the password of the URL. It does
// not return before the client's own timeout has passed for a Redis that does not answer.
func Connect(address string, config redisstore.Config) (Connection, error) {
	r, err := newRedis(address, config, slog.New(slog.DiscardHandler))
	if err != nil {
		return Connection{}, err
	}
	c, err := r.connect()
	if err != nil {
		return Connection{}, fmt.Errorf("store %s: %w", r.where, err)
	}
	return c, nil
}

// Connection is a store that has been reached, and the ledger beside it. Each has a client of its own, so that no check
// waits behind the long replies of a ledger.
type Connection struct {
	Store  *redisstore.Store
	Ledger *redisstore.Ledger

	client, ledgerClient rueidis.Client
}

// Ping asks Redis for nothing, on the way of the checks.
func (c Connection) Ping(ctx context.Context) error {
	return c.client.Do(ctx, c.client.B().Ping().Build()).Error()
}

// Close closes the connections of both.
func (c Connection) Close() {
	for _, client := range []rueidis.Client{c.client, c.ledgerClient} {
		if client != nil {
			client.Close()
		}
	}
}

// connect makes one attempt. It knows no context and ends by the timeouts of the client.
func (r *redis) connect() (c Connection, err error) {
	defer func() {
		if err != nil {
			c.Close()
		}
	}()
	if c.client, err = rueidis.NewClient(r.option); err != nil {
		return c, explain(err)
	}
	if c.ledgerClient, err = rueidis.NewClient(r.option); err != nil {
		return c, explain(err)
	}
	if c.Store, err = redisstore.New(c.client, r.config); err != nil {
		return c, err
	}
	c.Ledger, err = redisstore.NewLedger(c.ledgerClient, redisstore.LedgerConfig{Prefix: r.config.Prefix})
	return c, err
}

// connectUntil is connect, but it returns when ctx ends; what is reached after that is closed again.
func (r *redis) connectUntil(ctx context.Context) (Connection, error) {
	type attempt struct {
		Connection
		err error
	}
	attempts := make(chan attempt, 1)
	go func() {
		c, err := r.connect()
		attempts <- attempt{c, err}
	}()
	select {
	case a := <-attempts:
		return a.Connection, a.err
	case <-ctx.Done():
		go func() {
			if late := <-attempts; late.err == nil {
				late.Close()
			}
		}()
		return Connection{}, ctx.Err()
	}
}

// configure has connections that are made from now on log in as the URL says, where it differs from the one of the start by
// that alone. Any other change of it needs a restart.
func (r *redis) configure(address string) {
	if !sameStore(r.address, address) {
		return
	}
	option, err := redisstore.ClientOption(address)
	if err != nil {
		return // it was looked at before: a file that it names has gone since
	}
	if r.logins.change(option) {
		r.logger.Info("the user or the password of the store has changed; connections log in by the new one from now on", "store", r.where)
	}
}

func (r *redis) ledger() (ledger.Ledger, bool) { return redisLedger{r}, true }

// run connects, and tries again until it has, and says so.
func (r *redis) run(ctx context.Context, reached func()) {
	first := sync.OnceFunc(func() { close(r.tried) })
	for said := (complaints{}); ctx.Err() == nil; {
		c, err := r.connectUntil(ctx)
		if err == nil {
			r.reached.Store(&c)
			reached()
			r.logger.Info("connected to the store", "store", r.where)
			first()
			_ = c.Store.Run(ctx) // it ends with ctx
			c.Close()
			return
		}
		r.reason.Store(&err)
		if ctx.Err() == nil && said.worth(err, time.Now()) {
			r.logger.Error("the store cannot be reached; trying on", "store", r.where, "every", reconnectTime, "error", err)
		}
		first()
		select {
		case <-time.After(reconnectTime):
		case <-ctx.Done():
		}
	}
}

func (r *redis) wait(ctx context.Context, most time.Duration) {
	select {
	case <-r.tried:
	case <-ctx.Done():
	case <-time.After(most):
	}
}

// Check implements [sluice.Store].
func (r *redis) Check(ctx context.Context, req sluice.Request) (sluice.Decision, error) {
	if c := r.reached.Load(); c != nil {
		return c.Store.Check(ctx, req)
	}
	return sluice.Decision{}, r.notConnected()
}

// CheckAll implements [sluice.Store].
func (r *redis) CheckAll(ctx context.Context, reqs []sluice.Request) []sluice.Result {
	if c := r.reached.Load(); c != nil {
		return c.Store.CheckAll(ctx, reqs)
	}
	results := make([]sluice.Result, len(reqs))
	err := r.notConnected()
	for i := range results {
		results[i].Err = err
	}
	return results
}

// Lend implements [lease.Lender].
func (r *redis) Lend(ctx context.Context, asks []lease.Ask) []lease.Answer {
	if c := r.reached.Load(); c != nil {
		return c.Store.Lend(ctx, asks)
	}
	answers := make([]lease.Answer, len(asks))
	err := r.notConnected()
	for i := range answers {
		answers[i].Err = err
	}
	return answers
}

// part returns which part of the store keeps a key; 0 while there is none.
func (r *redis) part(policy, key string) int {
	if c := r.reached.Load(); c != nil {
		return c.Store.Part(policy, key)
	}
	return 0
}

// Reset implements [sluice.Store].
func (r *redis) Reset(ctx context.Context, policy *sluice.Policy, key string) error {
	if c := r.reached.Load(); c != nil {
		return c.Store.Reset(ctx, policy, key)
	}
	return r.notConnected()
}

// Amend implements [sluice.Store].
func (r *redis) Amend(ctx context.Context, a sluice.Amendment) (sluice.Standing, error) {
	if c := r.reached.Load(); c != nil {
		return c.Store.Amend(ctx, a)
	}
	return sluice.Standing{}, r.notConnected()
}

// List implements [sluice.Store].
func (r *redis) List(ctx context.Context, l sluice.List) (sluice.Page, error) {
	if c := r.reached.Load(); c != nil {
		return c.Store.List(ctx, l)
	}
	return sluice.Page{}, r.notConnected()
}

func (r *redis) notConnected() error {
	return fmt.Errorf("store %s: %w: %w", r.where, sluice.ErrNotSent, *r.reason.Load())
}

// explain adds to an error of connecting what would be right.
func explain(err error) error {
	text := err.Error()
	timeout := net.Error(nil)
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("%w: start Redis there, or give the address where it listens", err)
	case strings.Contains(text, "WRONGPASS"), strings.Contains(text, "NOAUTH"), strings.Contains(text, "invalid password"):
		return fmt.Errorf("it refuses the user or the password: give those of an ACL user, as in redis://user:password@host:6379 (%w)", err)
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return fmt.Errorf("nothing answers there: give the address where Redis listens, and see that no firewall is in between (%w)", err)
	}
	return err
}

// withoutUser returns a URL without its user, password and query.
func withoutUser(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "at a URL that cannot be read"
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}
