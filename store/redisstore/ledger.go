package redisstore

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"
	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/store/ledger"
)

var _ ledger.Ledger = (*Ledger)(nil)

// LedgerConfig says how a ledger uses Redis. The zero LedgerConfig works.
type LedgerConfig struct {
	// Timeout is the longest that a call may take where the context has no earlier deadline; 5 s by default, because
	// what is sent and returned may be long.
	Timeout time.Duration
	// Prefix begins every key and the channel; "sluice:" by default. It must have no braces.
	Prefix string
}

// Ledger is a [ledger.Ledger] in Redis. It is safe for concurrent use.
//
// All its entries are one hash, so that Redis loses all or none of them; each log is a stream; a change is one script,
// see scripts/commit.lua and docs/redis-keys.md. All keys share a hash tag and with it the slot of a Cluster.
//
// The keys have no time to live, unlike counters, because what a fleet has been told is meant to stay. What bounds them
// is the number of entries and of logs, which is the caller's, and the length that he gives each log.
type Ledger struct {
	client  rueidis.Client
	timeout time.Duration
	keys    keys
	renewal renewal
}

// NewLedger returns the ledger of the fleet whose keys have the prefix. The client stays the caller's to close. It
// should be built from [ClientOption], and not be that of a [Store]: there checks would wait behind long replies.
func NewLedger(client rueidis.Client, cfg LedgerConfig) (*Ledger, error) {
	if cfg.Timeout < 0 {
		return nil, fmt.Errorf("redisstore: Timeout is %s; it must be positive, or 0 for the default of 5s", cfg.Timeout)
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = 5 * time.Second
	}
	if cfg.Prefix == "" {
		cfg.Prefix = "sluice:"
	}
	k, err := newKeys(cfg.Prefix, false)
	if err != nil {
		return nil, err
	}
	return &Ledger{client: client, timeout: cfg.Timeout, keys: k}, nil
}

// Load implements [ledger.Ledger].
func (l *Ledger) Load(ctx context.Context) (ledger.Contents, error) {
	reply, now, err := l.look(ctx, "HGETALL")
	if err != nil {
		return ledger.Contents{}, err
	}
	fields, err := reply.AsStrSlice()
	if err != nil {
		return ledger.Contents{}, notRead(err)
	}
	contents := ledger.Contents{Now: now, Entries: make([]ledger.Entry, 0, len(fields)/2)}
	for i := 0; i+1 < len(fields); i += 2 {
		field, value := fields[i], fields[i+1]
		if field == versionField {
			if contents.Version, contents.Restored, err = unpackVersion(value); err != nil {
				return ledger.Contents{}, err
			}
			continue
		}
		e, err := unpackEntry(field, value)
		if err != nil {
			return ledger.Contents{}, err
		}
		contents.Entries = append(contents.Entries, e)
	}
	return contents, nil
}

// Version implements [ledger.Ledger].
func (l *Ledger) Version(ctx context.Context) (ledger.Version, sluice.Tick, error) {
	reply, now, err := l.look(ctx, "HGET", versionField)
	if err != nil {
		return 0, 0, err
	}
	if reply.IsNil() {
		return 0, now, nil
	}
	value, err := reply.ToString()
	if err != nil {
		return 0, 0, notRead(err)
	}
	version, _, err := unpackVersion(value)
	return version, now, err
}

// look has Redis read from the entries, and returns the reply and Redis's clock.
func (l *Ledger) look(ctx context.Context, command ...string) (rueidis.RedisMessage, sluice.Tick, error) {
	none := rueidis.RedisMessage{}
	if err := ctx.Err(); err != nil {
		return none, 0, notSent(err)
	}
	ctx, cancel := context.WithTimeout(ctx, l.timeout)
	defer cancel()
	parts, err := l.run(ctx, lookScript, []string{l.keys.entries()}, command).ToArray()
	if err != nil {
		return none, 0, notRead(err)
	}
	if len(parts) != 3 {
		return none, 0, notRead(fmt.Errorf("the script's reply has %d parts, want 3", len(parts)))
	}
	seconds, err := parts[0].AsInt64()
	if err != nil {
		return none, 0, notRead(err)
	}
	micros, err := parts[1].AsInt64()
	if err != nil {
		return none, 0, notRead(err)
	}
	if err := parts[2].Error(); err != nil && !rueidis.IsRedisNil(err) {
		return none, 0, notRead(err)
	}
	return parts[2], sluice.Tick(seconds*1_000_000 + micros), nil
}

// Watch implements [ledger.Ledger]. It hears of every commit while the connection lasts, on a Cluster from any node.
func (l *Ledger) Watch(ctx context.Context, changed func()) error {
	heard := make(chan struct{}, 1)
	tell := func() {
		select {
		case heard <- struct{}{}:
		default: // one waits already
		}
	}
	ended := make(chan error, 1)
	go func() {
		// The client waits until what it calls has returned, so changed, which may ask Redis, runs elsewhere.
		hooked := rueidis.WithOnSubscriptionHook(ctx, func(rueidis.PubSubSubscription) { tell() })
		subscribe := l.client.B().Subscribe().Channel(l.keys.changes()).Build()
		ended <- l.client.Receive(hooked, subscribe, func(rueidis.PubSubMessage) { tell() })
	}()
	for {
		select {
		case <-heard:
			changed()
		case err := <-ended:
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err == nil {
				err = errors.New("the subscription was ended by Redis")
			}
			return fmt.Errorf("redisstore: watch the ledger: %w", err)
		}
	}
}

// streamID is the form of a cursor: the place of a line in the stream.
var streamID = regexp.MustCompile(`^[0-9]{1,20}-[0-9]{1,20}$`)

// Log implements [ledger.Ledger]. A cursor is the place in the stream of the last line that was returned.
func (l *Ledger) Log(ctx context.Context, log string, before string, most int) ([]ledger.Line, string, error) {
	if err := ledger.ValidatePage(most); err != nil {
		return nil, "", err
	}
	end := "+"
	if before != "" {
		if !streamID.MatchString(before) {
			problem := fmt.Sprintf("%.64q is no cursor of a log; send one that was returned with its lines", before)
			return nil, "", &sluice.InvalidError{Field: "before", Problem: problem}
		}
		end = "(" + before
	}
	if err := ctx.Err(); err != nil {
		return nil, "", notSent(err)
	}
	ctx, cancel := context.WithTimeout(ctx, l.timeout)
	defer cancel()
	ask := l.client.B().Xrevrange().Key(l.keys.log(log)).End(end).Start("-").Count(int64(most) + 1).Build()
	found, err := l.client.Do(ctx, ask).AsXRange()
	if err != nil {
		return nil, "", notRead(err)
	}
	next := ""
	if len(found) > most {
		found = found[:most]
		next = found[most-1].ID
	}
	lines := make([]ledger.Line, len(found))
	for i, f := range found {
		at, err := strconv.ParseInt(f.FieldValues["at"], 10, 64)
		if err != nil {
			return nil, "", foreign(fmt.Sprintf("line %s of the log %.64q has no instant", f.ID, log))
		}
		lines[i] = ledger.Line{At: sluice.Tick(at), Value: []byte(f.FieldValues["line"])}
	}
	return lines, next, nil
}

// run calls a script. Redis answers NOSCRIPT where it does not know it, and has done nothing then.
func (l *Ledger) run(ctx context.Context, s *ledgerScript, keys, args []string) rueidis.RedisResult {
	n := int64(len(keys))
	reply := l.client.Do(ctx, l.client.B().Evalsha().Sha1(s.sha).Numkeys(n).Key(keys...).Arg(args...).Build())
	if refusedWith(reply, "NOSCRIPT") {
		reply = l.client.Do(ctx, l.client.B().Eval().Script(s.source).Numkeys(n).Key(keys...).Arg(args...).Build())
	}
	l.renewal.note(reply.Error())
	l.renewal.renew(ctx, l.client, 0)
	return reply
}

func notRead(err error) error {
	if refusal, ok := rueidis.IsRedisErr(err); ok && isForeign(refusal) {
		return fmt.Errorf("redisstore: read the ledger: %w: %w", sluice.ErrForeignState, err)
	}
	return fmt.Errorf("redisstore: read the ledger: %w", err)
}

func isForeign(refusal *rueidis.RedisError) bool {
	return strings.HasPrefix(refusal.Error(), "BADSTATE") || strings.HasPrefix(refusal.Error(), "WRONGTYPE")
}

func foreign(what string) error {
	return fmt.Errorf("redisstore: read the ledger: %w: %s", sluice.ErrForeignState, what)
}
