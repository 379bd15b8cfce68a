package redisstore

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/rueidis"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/internal/redistest"
)

// FuzzClientOption reads any URL, and never says its password.
func FuzzClientOption(f *testing.F) {
	for _, seed := range []string{
		"redis://u:%s@h:1/3?addr=i:2&client_name=x", "rediss://h:%s?master_set=main&sentinel_password=%s", "unix:///run/%s.sock?db=1",
		"valkey://[::1%%25lo]:%s/0?protocol=2", "redis://:%s@h/%%zz", "redis://u:%s/@h?dial_timeout=1s&write_timeout=1ms", "%s", "!0",
	} {
		f.Add(seed)
	}
	const secret = "open-sesame"
	f.Fuzz(func(t *testing.T, text string) {
		address := strings.ReplaceAll(text, "%s", secret)
		option, err := ClientOption(address)
		switch {
		case err != nil && strings.Contains(text, ":%s@") && strings.Count(text, "%s") == 1 && strings.Contains(err.Error(), secret):
			t.Errorf("ClientOption(%q) says the password: %v", address, err)
		case err == nil && (len(option.InitAddress) == 0 || !option.DisableRetry || option.Dialer.Timeout == 0):
			t.Errorf("ClientOption(%q) has no address, repeats writes or waits for ever: %+v", address, option.InitAddress)
		}
	})
}

// FuzzUnpackOwnLimits reads any bytes as the limits of an override. What is read is legal, and is what is written again.
func FuzzUnpackOwnLimits(f *testing.F) {
	for _, limits := range [][]sluice.Limit{
		{sluice.PerSecond(100).WithBurst(200)},
		{sluice.PerHour(5).WithName("often"), sluice.PerDay(10).WithAlgorithm(sluice.SlidingCounter)},
		{sluice.Per(1, time.Millisecond).WithAligned(), sluice.PerMinute(3).WithAlgorithm(sluice.FixedWindow)},
	} {
		f.Add(string(appendOwnLimits(nil, limits)))
	}
	f.Fuzz(func(t *testing.T, b string) {
		if b == "" {
			return // what calls it looks at the length
		}
		limits, err := unpackOwnLimits(b)
		if err != nil {
			return
		}
		for _, l := range limits {
			if err := l.Validate(); err != nil {
				t.Fatalf("unpackOwnLimits(%x) is %v, which is illegal: %v", b, l, err)
			}
		}
		again, err := unpackOwnLimits(string(appendOwnLimits(nil, limits)))
		if err != nil || !cmp.Equal(limits, again, cmp.Comparer(func(a, b sluice.Limit) bool { return a == b })) {
			t.Errorf("unpackOwnLimits(%x) is %v, and written again %v (%v)", b, limits, again, err)
		}
	})
}

// FuzzReplay answers checks by any states and at any instant. No answer is beyond reckoning.
func FuzzReplay(f *testing.F) {
	f.Add("\x00", int64(1_795_451_411_722_085), uint32(1))
	f.Add("\xfd"+strings.Repeat("\x00\x06\x60\xf4\x1b\x9b\x6f\x65\x00\x00\x00\x03", 3), int64(1_795_451_411_722_085), uint32(7))
	f.Add("\xfe\x00\x05abcde", int64(0), uint32(0))
	f.Add("\xfd"+strings.Repeat("\xff", 36), int64(1)<<62, uint32(1<<32-1))
	f.Fuzz(func(t *testing.T, answers string, now int64, cost uint32) {
		policy := &sluice.Policy{Name: "api", Limits: []sluice.Limit{
			sluice.PerSecond(10).WithBurst(20), sluice.PerDay(10_000), sluice.PerHour(5).WithAlgorithm(sluice.FixedWindow).WithAligned(),
		}}
		e := entry{req: sluice.Request{Policy: policy, Key: "alice", Cost: int64(cost)}}
		g := group{policy: policy, first: &e, last: &e, checks: 1}
		rest, err := g.replay(sluice.Tick(now&lastInstant), answers)
		if err != nil {
			return
		}
		if !strings.HasSuffix(answers, rest) || len(rest) == len(answers) {
			t.Errorf("replay(%x) leaves %x", answers, rest)
		}
		wantSane(t, e.result.Decision)
	})
}

// wantSane looks at a decision for numbers that are none.
func wantSane(t *testing.T, d sluice.Decision) {
	t.Helper()
	sane := func(d time.Duration) bool { return d >= 0 && d <= sluice.MaxWait || d == sluice.Never }
	if d.Remaining < 0 || !sane(d.RetryAfter) || !sane(d.ResetAfter) || d.Allowed && d.RetryAfter != 0 {
		t.Errorf("the decision %+v is beyond reckoning", d)
	}
	for _, o := range d.Limits() {
		if o.Remaining < 0 || !sane(o.RetryAfter) || !sane(o.ResetAfter) {
			t.Errorf("the decision's limit %+v is beyond reckoning", o)
		}
	}
	if block, barred := d.Blocked(); barred && block.Until < 0 {
		t.Errorf("the block %+v ended before there was time", block)
	}
}

// FuzzUnpackBar reads any bytes as the block of a key.
func FuzzUnpackBar(f *testing.F) {
	f.Add("", 3)
	f.Add("\x00\x01\x06\x60\xf4\x1b\x9b\x6f\x65\x00\x00\x00\x00\x00\x00\x07\x01abuse", 3)
	f.Add(strings.Repeat("\xff", 17), 1)
	f.Fuzz(func(t *testing.T, b string, checks int) {
		_, bar, left, err := unpackBar(b, checks)
		if err == nil && (left < 0 || bar.Until < 0 || !strings.HasSuffix(b, bar.Reason)) {
			t.Errorf("unpackBar(%x) is %+v, with %s left", b, bar, left)
		}
	})
}

// FuzzLedgerValues reads any field and value of the ledger's entries, and any cursor of a log.
func FuzzLedgerValues(f *testing.F) {
	f.Add(versionField, strings.Repeat("\x01", 16), "1795451411722-0")
	f.Add(entryField("policy", "api"), strings.Repeat("\x01", 8)+"{}", "-")
	f.Fuzz(func(t *testing.T, field, value, cursor string) {
		if _, _, err := unpackVersion(value); err != nil && !errors.Is(err, sluice.ErrForeignState) {
			t.Errorf("unpackVersion(%x): %v, want that it is foreign", value, err)
		}
		e, err := unpackEntry(field, value)
		switch {
		case err != nil && !errors.Is(err, sluice.ErrForeignState):
			t.Errorf("unpackEntry(%q, %x): %v, want that it is foreign", field, value, err)
		case err == nil && (entryField(e.Kind, e.Name) != field || string(e.Value) != value[8:]):
			t.Errorf("unpackEntry(%q, %x) = %+v", field, value, e)
		}
		if streamID.MatchString(cursor) && (strings.ContainsAny(cursor, " \r\n(") || len(cursor) > 41) {
			t.Errorf("%q is taken for a cursor", cursor)
		}
	})
}

// FuzzValues has any bytes in the place of a state and of a standing in a real Redis. A check of the key is decided, or
// says that the value is another's; nothing else, and no other key suffers.
func FuzzValues(f *testing.F) {
	f.Add("", "")
	f.Add("\x06second\x11\x00\x00\x00\x03\xe8\x00\x00\x00\x0a\x06\x60\xf4\x1b\x9b\x6f\x65\x00\x00\x00\x00\x02", "\xf0\x06\x60\xf4\x1b\x9b\x6f\x65\x01\x05abuse")
	f.Add("\xf4\x01\x06\x60\xf4\x1b\x9b\x6f\x65\x00\x00\x00\x00\x02", "\xf3\x00\x00\x00\x00\x00\x00\x00\x00\x16\x00\x06second\x11\x00\x00\x00\x03\xe8\x00\x00\x00\x64\x00\x00\x00\xc8")
	f.Add("x", "\xf3\x00\x00\x00\x00\x00\x00\x00\x00\x16\x00\x06second\x11\x00\x00\x00\x00\x00\x00\x00\x00\x64\x00\x00\x00\xc8")
	server := redistest.Shared(f)
	option, err := ClientOption(server.URL())
	if err != nil {
		f.Fatal(err)
	}
	client, err := rueidis.NewClient(option)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(client.Close)
	store, err := New(client, Config{Prefix: "fuzz:", Timeout: time.Minute})
	if err != nil {
		f.Fatal(err)
	}
	penalty := &sluice.Penalty{After: 3, Within: time.Minute, For: time.Minute}
	policies := []*sluice.Policy{
		{Name: "one", Limits: []sluice.Limit{sluice.PerSecond(10).WithBurst(20)}},
		{Name: "two", Limits: []sluice.Limit{sluice.PerHour(3), sluice.PerDay(5).WithAlgorithm(sluice.SlidingCounter)}, Penalty: penalty},
	}
	var turn atomic.Int64
	f.Fuzz(func(t *testing.T, state, standing string) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		for _, p := range policies {
			key := strconv.FormatInt(turn.Add(1)%64, 10)
			for name, value := range map[string]string{store.keys.state(p, key): state, store.keys.standing(p.Name, key): standing} {
				set := client.B().Set().Key(name).Value(value).Px(time.Minute).Build()
				if value == "" {
					set = client.B().Del().Key(name).Build()
				}
				if err := client.Do(ctx, set).Error(); err != nil {
					t.Fatal(err)
				}
			}
			results := store.CheckAll(ctx, []sluice.Request{{Policy: p, Key: key, Cost: 1}, {Policy: p, Key: "sound", Peek: true, Cost: 1}})
			switch r := results[0]; {
			case r.Err == nil:
				wantSane(t, r.Decision)
			case !errors.Is(r.Err, sluice.ErrForeignState):
				t.Errorf("with the state %x and the standing %x a check is %v, want a decision or that it is foreign", state, standing, r.Err)
			}
			if results[1].Err != nil {
				t.Errorf("with the state %x and the standing %x of one key, a check of another is %v", state, standing, results[1].Err)
			}
			is, err := store.Amend(ctx, sluice.Amendment{Policy: p.Name, Key: key})
			if err != nil && !errors.Is(err, sluice.ErrForeignState) {
				t.Errorf("the standing %x is %v, want a standing or that it is foreign", standing, err)
			}
			if is.Refusals < 0 || is.Blocks < 0 || is.Block != nil && is.Block.Until < 0 || is.Override != nil && is.Override.Until < 0 {
				t.Errorf("the standing %x is %+v", standing, is)
			}
		}
	})
}
