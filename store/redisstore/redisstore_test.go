package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"
	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/internal/redistest"
	"github.com/sluice-project/sluice/store/redisstore"
)

// patient is a deadline that a loaded machine keeps, for tests that are not about deadlines.
const patient = 10 * time.Second

func newClient(t testing.TB, url string) rueidis.Client {
	t.Helper()
	option, err := redisstore.ClientOption(url)
	if err != nil {
		t.Fatal(err)
	}
	client, err := rueidis.NewClient(option)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

func newStore(t testing.TB, client rueidis.Client, cfg redisstore.Config) *redisstore.Store {
	t.Helper()
	store, err := redisstore.New(client, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return store
}

func newLimiter(t testing.TB, client rueidis.Client, cfg redisstore.Config, limits ...sluice.Limit) *sluice.Limiter {
	t.Helper()
	l, err := sluice.New(newStore(t, client, cfg), sluice.Policy{Name: "api", Limits: limits})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// expect checks a cost and compares what is left; -1 stands for a refusal.
func expect(t testing.TB, l *sluice.Limiter, key string, cost, remaining int64) {
	t.Helper()
	d, err := l.Check(t.Context(), key, cost)
	switch {
	case err != nil:
		t.Errorf("Check(%q, %d): %v", key, cost, err)
	case remaining < 0 && d.Allowed:
		t.Errorf("Check(%q, %d) = %v, want a refusal", key, cost, d)
	case remaining >= 0 && (!d.Allowed || d.Remaining != remaining):
		t.Errorf("Check(%q, %d) = %v, want it allowed with %d remaining", key, cost, d, remaining)
	}
}

func do(t testing.TB, client rueidis.Client, args ...string) rueidis.RedisResult {
	t.Helper()
	return client.Do(t.Context(), client.B().Arbitrary(args...).Build())
}

func TestNewRefusesBadConfig(t *testing.T) {
	t.Parallel()
	for _, cfg := range []redisstore.Config{{Timeout: -1}, {Prefix: "a{b}:"}} {
		if _, err := redisstore.New(nil, cfg); err == nil {
			t.Errorf("New took %+v", cfg)
		}
	}
}

func TestTopologies(t *testing.T) {
	t.Parallel()
	plain := redistest.Start(t, redistest.Options{Unix: true})
	for name, url := range map[string]string{
		"single":   plain.URL(),
		"database": plain.URL() + "/7",
		"unix":     "unix://" + plain.Socket(),
		"RESP2":    plain.URL() + "?db=3&protocol=2",
		"cluster":  redistest.StartCluster(t).URL(),
	} {
		t.Run(name, func(t *testing.T) {
			l := newLimiter(t, newClient(t, url), redisstore.Config{Timeout: patient, Prefix: name + ":"}, sluice.PerHour(5))
			for _, key := range []string{"a", "b", "c", "{x}", strings.Repeat("y", 3000)} {
				expect(t, l, key, 3, 2)
				expect(t, l, key, 3, -1)
			}
			asks := make([]sluice.Ask, 300)
			for i := range asks {
				asks[i] = sluice.Ask{Key: fmt.Sprint(i % 100), Cost: 2}
			}
			for i, r := range l.CheckAll(t.Context(), asks) {
				if r.Err != nil || r.Decision.Allowed != (i < 200) {
					t.Fatalf("check %d of a batch: %v, %v", i, r.Decision, r.Err)
				}
			}
		})
	}
	t.Run("TLS and password", func(t *testing.T) {
		locked := redistest.Start(t, redistest.Options{Password: "p@ss word", TLS: true})
		option, err := redisstore.ClientOption(locked.URL())
		if err != nil {
			t.Fatal(err)
		}
		option.TLSConfig = locked.TLS()
		client, err := rueidis.NewClient(option)
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		expect(t, newLimiter(t, client, redisstore.Config{Timeout: patient}, sluice.PerHour(5)), "a", 3, 2)
	})
	t.Run("ACL user", func(t *testing.T) {
		// The rights that docs/redis-keys.md asks for, and no more.
		admin := newClient(t, plain.URL())
		rights := strings.Fields("ACL SETUSER limiter on >pw resetkeys ~sluice:* resetchannels -@all +evalsha +eval +get +mget +exists +set +setrange +del +time +pttl +pexpire +zadd +zrem +zscore +zcard +zrange +zrangebyscore +zrangebylex +pexpireat +persist +hello +ping +select +cluster|slots +cluster|shards")
		if err := do(t, admin, rights...).Error(); err != nil {
			t.Fatal(err)
		}
		client := newClient(t, strings.Replace(plain.URL(), "redis://", "redis://limiter:pw@", 1))
		l := newLimiter(t, client, redisstore.Config{Timeout: patient}, sluice.PerHour(5))
		expect(t, l, "acl", 3, 2)
		expect(t, l, "acl", 3, -1)
		busy := newLimiter(t, client, redisstore.Config{Timeout: patient}, sluice.PerHour(1000))
		for left := int64(999); left >= 920; left-- { // from 64 on they are written over in part
			if left == 930 { // as by the rights of an earlier version
				if err := do(t, admin, "ACL", "SETUSER", "limiter", "-setrange").Error(); err != nil {
					t.Fatal(err)
				}
			}
			expect(t, busy, "busy", 1, left)
		}
		if err := l.Reset(t.Context(), "acl"); err != nil {
			t.Error(err)
		}
		if err := l.Block(t.Context(), "acl", time.Hour, "abuse"); err != nil {
			t.Error(err)
		}
		if err := l.Override(t.Context(), "acl", []sluice.Limit{sluice.PerHour(9)}, 0); err != nil {
			t.Error(err)
		}
		expect(t, l, "acl", 1, -1)
		store := newStore(t, client, redisstore.Config{Timeout: patient})
		for _, overrides := range []bool{false, true} {
			if page, err := store.List(t.Context(), sluice.List{Policy: "api", Overrides: overrides, Most: 9}); err != nil || len(page.Entries) != 1 {
				t.Errorf("List of overrides %t = %v, %v, want one entry", overrides, page, err)
			}
		}
		if err := l.RemoveOverride(t.Context(), "acl"); err != nil {
			t.Error(err)
		}
		if err := l.Unblock(t.Context(), "acl"); err != nil {
			t.Error(err)
		}
		expect(t, l, "acl", 1, 4)
		other := newLimiter(t, client, redisstore.Config{Timeout: patient, Prefix: "elsewhere:"}, sluice.PerHour(5))
		if _, err := other.Check(t.Context(), "acl", 1); err == nil || errors.Is(err, sluice.ErrUncertain) {
			t.Errorf("a check of a key without rights: %v, want an error that says nothing was charged", err)
		}
	})
}

func TestPrefixesAndHashedKeysAreApart(t *testing.T) {
	t.Parallel()
	client := newClient(t, redistest.Start(t, redistest.Options{}).URL())
	for _, cfg := range []redisstore.Config{{}, {Prefix: "other:"}, {HashKeys: true}} {
		cfg.Timeout = patient
		expect(t, newLimiter(t, client, cfg, sluice.PerHour(5)), "secret-key", 1, 4)
	}
	keys, err := do(t, client, "KEYS", "*").AsStrSlice()
	if err != nil || len(keys) != 3 {
		t.Fatalf("keys in Redis: %q, %v", keys, err)
	}
	plain := 0
	for _, k := range keys {
		if strings.Contains(k, "secret-key") {
			plain++
		}
	}
	if plain != 2 {
		t.Errorf("keys in Redis: %q, want the key hashed in one of three", keys)
	}
}

func TestFlushedScriptHeals(t *testing.T) {
	t.Parallel()
	client := newClient(t, redistest.Start(t, redistest.Options{}).URL())
	l := newLimiter(t, client, redisstore.Config{Timeout: patient}, sluice.PerHour(100))
	for i := range int64(3) {
		if err := do(t, client, "SCRIPT", "FLUSH").Error(); err != nil {
			t.Fatal(err)
		}
		expect(t, l, "k", 1, 99-3*i)
		if err := do(t, client, "SCRIPT", "FLUSH").Error(); err != nil {
			t.Fatal(err)
		}
		for j, r := range l.CheckAll(t.Context(), []sluice.Ask{{Key: "k", Cost: 1}, {Key: "k", Cost: 1}}) {
			if want := 98 - 3*i - int64(j); r.Err != nil || r.Decision.Remaining != want {
				t.Errorf("check %d of a batch after a flush: %v, %v, want %d remaining", j, r.Decision, r.Err, want)
			}
		}
	}
}

// TestOneClockReading counts how often the script asks for the time: once a call, however many limits and checks.
func TestOneClockReading(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.Options{})
	l := newLimiter(t, newClient(t, server.URL()), redisstore.Config{Timeout: patient}, sluice.PerHour(5), sluice.PerDay(9).WithBurst(9))
	for i := range 20 {
		if _, err := l.Check(t.Context(), fmt.Sprint(i%3), 1); err != nil {
			t.Fatal(err)
		}
	}
	for _, r := range l.CheckAll(t.Context(), []sluice.Ask{{Key: "a", Cost: 1}, {Key: "b", Cost: 9}, {Key: "a", Cost: 1}}) {
		if r.Err != nil {
			t.Fatal(r.Err)
		}
	}
	stats := fmt.Sprint(server.Do(t, "INFO", "commandstats"))
	calls := func(command string) (n int) {
		_, counted, _ := strings.Cut(stats, "cmdstat_"+command+":calls=")
		_, _ = fmt.Sscan(strings.Split(counted, ",")[0], &n)
		return n
	}
	// The first call is EVALSHA, which the server does not know yet, and then EVAL.
	if got, want := calls("time"), calls("evalsha")-1+calls("eval"); got != want || want != 21 {
		t.Errorf("the time was read %d times in %d calls, want once in each of 21", got, want)
	}
}

func TestKeyWithoutExpiryHeals(t *testing.T) {
	t.Parallel()
	client := newClient(t, redistest.Start(t, redistest.Options{}).URL())
	l := newLimiter(t, client, redisstore.Config{Timeout: patient}, sluice.PerHour(2))
	for name, ask := range map[string]func(key string) (sluice.Decision, error){
		"an admission": func(key string) (sluice.Decision, error) { return l.Check(t.Context(), key, 1) },
		"a refusal":    func(key string) (sluice.Decision, error) { return l.Check(t.Context(), key, 2) },
		"a peek":       func(key string) (sluice.Decision, error) { return l.Peek(t.Context(), key) },
	} {
		expect(t, l, name, 1, 1)
		if n, err := do(t, client, "PERSIST", "sluice:{api|"+name+"}").AsInt64(); n != 1 || err != nil {
			t.Fatalf("PERSIST: %d, %v", n, err)
		}
		if _, err := ask(name); err != nil {
			t.Fatal(err)
		}
		ttl, err := do(t, client, "PTTL", "sluice:{api|"+name+"}").AsInt64()
		if err != nil || ttl < 3_590_000 || ttl > 3_600_000 {
			t.Errorf("after %s the key lives %d ms, %v, want an hour", name, ttl, err)
		}
	}
}

// TestForeignValues finds what Sluice did not write where a state should be: an error, nothing changed, the next key
// decided as ever.
func TestForeignValues(t *testing.T) {
	t.Parallel()
	client := newClient(t, redistest.Start(t, redistest.Options{}).URL())
	l := newLimiter(t, client, redisstore.Config{Timeout: patient}, sluice.PerHour(2))
	for i, value := range []string{"7", "hello world, this is a long text of somebody else", "\x04hour\x63", "\x04hour\x10\x00\x00\x36\xee\x80\x00\x00\x00\x02\x00", strings.Repeat("\x00", 300), strings.Repeat("\xff", 3000)} {
		key := fmt.Sprint("private-", i)
		if err := do(t, client, "SET", "sluice:{api|"+key+"}", value, "EX", "100").Error(); err != nil {
			t.Fatal(err)
		}
		_, err := l.Check(t.Context(), key, 1)
		if !errors.Is(err, sluice.ErrForeignState) || errors.Is(err, sluice.ErrUncertain) || strings.Contains(err.Error(), key) {
			t.Errorf("over the value %.20q: %v, want ErrForeignState without the key", value, err)
		}
		if got, err := do(t, client, "GET", "sluice:{api|"+key+"}").ToString(); got != value || err != nil {
			t.Errorf("the value %.20q became %.20q, %v", value, got, err)
		}
		if err := l.Reset(t.Context(), key); err != nil {
			t.Error(err)
		}
		expect(t, l, key, 1, 1)
	}
	if err := do(t, client, "LPUSH", "sluice:{api|list}", "x").Error(); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Check(t.Context(), "list", 1); !errors.Is(err, sluice.ErrForeignState) {
		t.Errorf("over a list: %v, want ErrForeignState", err)
	}
}

func TestErrorsSayWhetherItWasCharged(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.Options{})
	client := newClient(t, server.URL())
	const timeout = 100 * time.Millisecond
	l := newLimiter(t, client, redisstore.Config{Timeout: timeout}, sluice.PerHour(1000))
	store := newStore(t, client, redisstore.Config{Timeout: timeout})
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	ask := map[string]func(ctx context.Context) error{
		"Check":    func(ctx context.Context) error { _, err := l.Check(ctx, "k", 1); return err },
		"CheckAll": func(ctx context.Context) error { return l.CheckAll(ctx, []sluice.Ask{{Key: "k", Cost: 1}})[0].Err },
		"Reset":    func(ctx context.Context) error { return l.Reset(ctx, "k") },
		"Amend":    func(ctx context.Context) error { return l.Block(ctx, "b", time.Hour, "") },
		"List": func(ctx context.Context) error {
			_, err := store.List(ctx, sluice.List{Policy: "api", Most: 1})
			return err
		},
	}
	for name, f := range ask {
		if err := f(ended); !errors.Is(err, sluice.ErrNotSent) || !errors.Is(err, context.Canceled) {
			t.Errorf("%s with an ended context: %v, want ErrNotSent and context.Canceled", name, err)
		}
	}

	server.Pause(t) // frozen: it takes the call and does not answer
	for name, f := range ask {
		start := time.Now()
		err := f(t.Context())
		if !errors.Is(err, sluice.ErrUncertain) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s on a frozen server: %v, want ErrUncertain and context.DeadlineExceeded", name, err)
		}
		if took := time.Since(start); took > timeout+late {
			t.Errorf("%s on a frozen server took %v, want %v at most", name, took, timeout)
		}
	}
	server.Continue(t)

	server.Kill()
	var last error
	for range 20 { // the first may find the connection still there
		if _, last = l.Check(t.Context(), "k", 1); errors.Is(last, sluice.ErrNotSent) {
			break
		}
	}
	if !errors.Is(last, sluice.ErrNotSent) || !strings.Contains(last.Error(), "refused") {
		t.Errorf("a server that is gone: %v, want ErrNotSent and that the connection was refused", last)
	}
	server.Restart(t)
	deadline := time.Now().Add(patient)
	for {
		_, err := l.Check(t.Context(), "k", 1)
		if err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("after the server's restart: %v", err)
		}
	}
}

// TestNothingIsSentTwice cuts the connection after the call has gone out and before its answer comes in: the call may
// have been carried out, so the client must not make it again.
func TestNothingIsSentTwice(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.Options{})
	proxy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer proxy.Close()
	cut := make(chan struct{})
	go func() {
		for {
			down, err := proxy.Accept()
			if err != nil {
				return
			}
			up, err := net.Dial("tcp", server.Addr())
			if err != nil {
				return
			}
			go func() { pass(up, down, nil); up.Close() }()
			go func() { pass(down, up, cut); down.Close() }()
		}
	}()
	direct := newLimiter(t, newClient(t, server.URL()), redisstore.Config{Timeout: patient}, sluice.PerHour(1000))
	cutOff := newLimiter(t, newClient(t, "redis://"+proxy.Addr().String()), redisstore.Config{Timeout: patient}, sluice.PerHour(1000))
	expect(t, cutOff, "k", 1, 999)
	close(cut)
	if _, err := cutOff.Check(t.Context(), "k", 1); !errors.Is(err, sluice.ErrUncertain) {
		t.Errorf("a check whose answer is cut off: %v, want ErrUncertain", err)
	}
	if r := cutOff.CheckAll(t.Context(), []sluice.Ask{{Key: "k", Cost: 10}}); r[0].Err == nil {
		t.Errorf("a batch whose answer is cut off = %v", r[0].Decision)
	}
	d, err := direct.Peek(t.Context(), "k")
	if err != nil || d.Remaining < 1000-1-1-10 {
		t.Errorf("afterwards: %v, %v; a call was carried out twice", d, err)
	}
	if d.Remaining == 999 {
		t.Errorf("afterwards: %v; no call reached the server, the test shows nothing", d)
	}
}

// pass copies bytes until an end closes or cut is closed and the next bytes come.
func pass(to, from net.Conn, cut <-chan struct{}) {
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		select {
		case <-cut:
			return
		default:
		}
		if err != nil {
			return
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}
