package doctor

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/internal/redistest"
	"github.com/sluice-project/sluice/store/redisstore"
)

// examine looks at everything.
func examine(t *testing.T, c Config) Report {
	t.Helper()
	r, err := Examine(t.Context(), c)
	if err != nil {
		t.Fatalf("Examine(%s): %v", withoutUser(c.URL), err)
	}
	if text, err := json.Marshal(r); err != nil || strings.Contains(string(text), "sesame") {
		t.Errorf("the report shows the password, or is no JSON (%v): %s", err, text)
	}
	for _, f := range r.Checks {
		if f.Result > Note && f.Remedy == "" || f.Result == OK && f.Remedy != "" || f.Name == "" || f.Found == "" {
			t.Errorf("%s, a %s, has the remedy %q and says %q", f.Name, f.Result, f.Remedy, f.Found)
		}
	}
	return r
}

// want looks for one finding of a report.
func (r Report) want(t *testing.T, name string, result Result, found, remedy string) {
	t.Helper()
	for _, f := range r.Checks {
		if f.Name != name {
			continue
		}
		if f.Result != result || !strings.Contains(f.Found, found) || !strings.Contains(f.Remedy, remedy) {
			t.Errorf("%s is a %s: %q, remedy %q; want a %s with %q, remedy with %q", name, f.Result, f.Found, f.Remedy, result, found, remedy)
		}
		if r.Result < result {
			t.Errorf("the whole is a %s, with a %s in it", r.Result, result)
		}
		return
	}
	t.Errorf("there is no finding %s, want a %s with %q: %+v", name, result, found, r.Checks)
}

// TestAllWell looks at a server as docs/operations.md wants it.
func TestAllWell(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Options{Password: "open-sesame", Args: []string{"--appendonly", "yes", "--maxmemory", "100mb"}})
	r := examine(t, Config{URL: s.URL()})
	for _, f := range r.Checks {
		if f.Result != OK && f.Name != "replicas" {
			t.Errorf("%s is a %s: %s", f.Name, f.Result, f.Found)
		}
	}
	r.want(t, "replicas", Note, "no replica", "behind Sentinel")
	if r.Result != Note || len(r.Checks) < 20 {
		t.Errorf("%d findings, the worst a %s; want 20 at least, the worst a note", len(r.Checks), r.Result)
	}
	if keys := s.Do(t, "KEYS", "*").([]any); len(keys) != 0 {
		t.Errorf("the look has left the keys %q", keys)
	}
}

func TestMemoryIsRefused(t *testing.T) {
	t.Parallel()
	if _, err := Examine(t.Context(), Config{URL: "memory"}); err != ErrMemory {
		t.Errorf("Examine of memory: %v, want that there is nothing to look at", err)
	}
	if _, err := Examine(t.Context(), Config{URL: "http://h"}); err == nil {
		t.Error("Examine of http://h has no error")
	}
	if _, err := Examine(t.Context(), Config{URL: "redis://h", Prefix: "{x}"}); err == nil {
		t.Error("Examine with the prefix {x} has no error")
	}
}

// TestUnreachable has the reason said for each way in which there is no connection.
func TestUnreachable(t *testing.T) {
	t.Parallel()
	plain := redistest.Start(t, redistest.Options{Password: "open-sesame"})
	secure := redistest.Start(t, redistest.Options{TLS: true})
	secured := redistest.Start(t, redistest.Options{TLS: true})
	secured.Do(t, "CONFIG", "SET", "tls-auth-clients", "yes")
	_, port, _ := strings.Cut(secure.Addr(), ":")
	gone := redistest.Start(t, redistest.Options{})
	gone.Kill()
	frozen := redistest.Start(t, redistest.Options{})
	frozen.Pause(t)
	for _, test := range []struct{ name, url, found, remedy string }{
		{"wrong password", "redis://:wrong-sesame@" + plain.Addr(), "refuses the user or the password", "ACL user"},
		{"no password", "redis://" + plain.Addr(), "the URL has none", "redis://user:password@"},
		{"unknown authority", secure.URL(), "not trusted here", "ca_file"},
		{"another host", "rediss://localhost:" + port + "?dial_timeout=2s", "certificate is", ""},
		{"TLS where there is none", "rediss://" + plain.Addr(), "does not speak TLS", "redis:// in the place of rediss://"},
		{"no TLS where it is wanted", "redis://" + secure.Addr(), "", "rediss:// in the place of redis://"},
		{"no client certificate", "rediss://" + secured.Addr() + "?skip_verify=true", "", "cert_file"},
		{"gone", gone.URL(), "nothing listens there", "start Redis"},
		{"frozen", frozen.URL(), "nothing answers there in time", "frozen"},
		{"no such socket", "unix:///no/such/socket", "no such socket", "unixsocket"},
		{"no such host", "redis://no-such-host.invalid:6379", "cannot be resolved", "spelled"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := examine(t, Config{URL: test.url})
			r.want(t, "reach", Failure, test.found, test.remedy)
			if len(r.Checks) != 1 {
				t.Errorf("%d findings, want that it cannot be reached alone", len(r.Checks))
			}
		})
	}
	t.Cleanup(func() { frozen.Continue(t) })
}

// TestSettings sets what should not be so, one thing after the other.
func TestSettings(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Options{})
	set := func(name, value string) { s.Do(t, "CONFIG", "SET", name, value) }
	look := func() Report { return examine(t, Config{URL: s.URL()}) }

	r := look()
	r.want(t, "memory", Note, "maxmemory is 0", "set maxmemory")
	r.want(t, "persistence", Warning, "nothing is kept", "appendonly yes")

	set("maxmemory-policy", "allkeys-lru")
	look().want(t, "eviction", Note, "no effect", "noeviction")
	set("maxmemory", "500mb")
	look().want(t, "eviction", Failure, "audit log", "noeviction")
	set("maxmemory-policy", "volatile-ttl")
	look().want(t, "eviction", Warning, "forgotten early", "noeviction")
	set("maxmemory-policy", "noeviction")
	set("save", "3600 1")
	set("timeout", "5")
	set("busy-reply-threshold", "20")
	r = look()
	r.want(t, "eviction", OK, "noeviction", "")
	r.want(t, "persistence", Note, "snapshots only (save 3600 1)", "appendonly")
	r.want(t, "idle-timeout", Warning, "5 s", "timeout to 0")
	r.want(t, "script-limit", Warning, "20 ms", "100 or more")
	set("timeout", "300")
	set("busy-reply-threshold", "0")
	set("appendonly", "yes")
	r = look()
	r.want(t, "idle-timeout", OK, "300 s", "")
	r.want(t, "script-limit", OK, "as long", "")
	r.want(t, "persistence", OK, "everysec", "")
	set("appendfsync", "no")
	look().want(t, "persistence", Note, "appendfsync no", "everysec")

	set("maxclients", "2") // of which the look has one
	other := redistestConn(t, s)
	look().want(t, "connections", Failure, "2 of at most 2", "maxclients")
	other()
	set("maxclients", "10000")

	set("min-replicas-to-write", "1")
	r = look()
	r.want(t, "min-replicas", Failure, "every charge is refused", "min-replicas-to-write")
	r.want(t, "writes", Failure, "NOREPLICAS", "replicas back")
	r.want(t, "scripts", Failure, "NOREPLICAS", "")
}

// redistestConn holds a connection open until the function is called.
func redistestConn(t *testing.T, s *redistest.Server) (done func()) {
	t.Helper()
	client := connectTo(t, s.URL())
	if err := client.Do(t.Context(), client.B().Ping().Build()).Error(); err != nil {
		t.Fatal(err)
	}
	return client.Close
}

func connectTo(t *testing.T, url string) rueidis.Client {
	t.Helper()
	option, err := redisstore.ClientOption(url)
	if err != nil {
		t.Fatal(err)
	}
	client, err := rueidis.NewClient(option)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func TestMemoryNearItsBound(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Options{Args: []string{"--maxmemory", "4mb"}})
	for range 40 { // the bound is near what the server itself takes
		s.Do(t, "APPEND", "other", strings.Repeat("x", 1<<15))
	}
	r := examine(t, Config{URL: s.URL()})
	for _, f := range r.Checks {
		if f.Name == "memory" && f.Result < Warning {
			t.Logf("at first: %s", f.Found)
		}
	}
	s.Do(t, "CONFIG", "SET", "maxmemory", "1mb")
	r = examine(t, Config{URL: s.URL()})
	r.want(t, "memory", Failure, "of maxmemory 1.0 MiB", "OOM")
	r.want(t, "writes", Failure, "OOM", "maxmemory")
}

// TestKeys writes what a store writes, and what it does not.
func TestKeys(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Options{})
	client := connectTo(t, s.URL())
	defer client.Close()
	store, err := redisstore.New(client, redisstore.Config{Prefix: "a*b:", Timeout: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	policy := sluice.Policy{Name: "api", Limits: []sluice.Limit{sluice.PerHour(100)}, Penalty: &sluice.Penalty{After: 100, Within: time.Minute, For: time.Hour}}
	for _, key := range []string{"alice", "bob", "a{b}"} {
		if _, err := store.Check(t.Context(), sluice.Request{Policy: &policy, Key: key, Cost: 1}); err != nil {
			t.Fatal(err)
		}
	}
	except := sluice.Exception{Limits: policy.Limits}
	for _, a := range []sluice.Amendment{
		{Policy: "api", Key: "alice", Bar: &sluice.Bar{For: time.Hour}},
		{Policy: "api", Key: "bob", Except: &except},
	} {
		if _, err := store.Amend(t.Context(), a); err != nil {
			t.Fatal(err)
		}
	}
	ledger, err := redisstore.NewLedger(client, redisstore.LedgerConfig{Prefix: "a*b:"})
	if err != nil {
		t.Fatal(err)
	}
	commitOne(t, ledger)
	s.Do(t, "SET", "acb:not-of-the-prefix", "1")

	c := Config{URL: s.URL(), Prefix: "a*b:"}
	r := examine(t, c)
	r.want(t, "expiry", OK, "all 10 keys", "")
	r.want(t, "prefix", OK, "nothing but Sluice's (all 10 keys", "")

	s.Do(t, "PERSIST", "a*b:{api|alice}")
	s.Do(t, "PERSIST", "a*b:{api|alice}!")
	s.Do(t, "SET", "a*b:queue", "1")
	s.Do(t, "LPUSH", "a*b:{api|list}", "1")
	r = examine(t, c)
	r.want(t, "expiry", Warning, "2 keys have no time to live", "heals it")
	r.want(t, "prefix", Warning, `2 keys under "a*b:" are not Sluice's, such as "a*b:`, "key_prefix")

	c.Keys = 1
	for i := range 2000 {
		s.Do(t, "SET", "a*b:{api|"+strings.Repeat("k", 1+i%200)+string(rune('a'+i/200))+"}", "1", "PX", "60000")
	}
	examine(t, c).want(t, "prefix", Warning, "there may be more", "")
}

func TestSlowLog(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Options{})
	s.Do(t, "CONFIG", "SET", "slowlog-log-slower-than", "0")
	s.Do(t, "EVAL", "return 1", "1", "other:{x}")
	s.Do(t, "CONFIG", "SET", "slowlog-log-slower-than", "-1")
	r := examine(t, Config{URL: s.URL()})
	r.want(t, "slow-log", Note, "no slow command is Sluice's", "store_timeout")
	s.Do(t, "CONFIG", "SET", "slowlog-log-slower-than", "0")
	s.Do(t, "EVAL", "return 1", "1", "sluice:{api|alice}")
	s.Do(t, "CONFIG", "SET", "slowlog-log-slower-than", "-1")
	r = examine(t, Config{URL: s.URL()})
	r.want(t, "slow-log", Warning, "in the last day, 1 of", "overloaded")

	// What was slow once is not told of for ever, but where the server does not say what time it is.
	next := Config{URL: s.URL(), ahead: map[string]time.Duration{s.Addr(): 25 * time.Hour}}
	examine(t, next).want(t, "slow-log", OK, "no slow command in the last day", "")
	s.Do(t, "ACL", "SETUSER", "default", "-time")
	examine(t, next).want(t, "slow-log", Warning, "of the whole slow log, 1 of", "overloaded")
}

// TestRecent has a day be a day.
func TestRecent(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 29, 12, 0, 0, 0, time.UTC)
	var all []slowCommand
	for _, age := range []time.Duration{-time.Hour, 0, 24 * time.Hour, 24*time.Hour + time.Second, 100 * 24 * time.Hour} { // the first, by a clock that was put back
		all = append(all, slowCommand{at: now.Add(-age), took: age})
	}
	got := recent(all, now)
	if len(got) != 3 || got[2].took != 24*time.Hour {
		t.Errorf("recent of %v = %v, want the first three", all, got)
	}
	if all[4].took != 100*24*time.Hour {
		t.Errorf("recent has changed what it was given: %v", all)
	}
}

// permissions is the line of a page of the documentation that says what the user must be allowed.
func permissions(t *testing.T) (checks, ledger []string) {
	t.Helper()
	page, err := os.ReadFile("../../docs/redis-keys.md")
	if err != nil {
		t.Fatal(err)
	}
	lines := regexp.MustCompile(`(?m)^    ACL SETUSER sluice (.*)$`).FindAllStringSubmatch(string(page), -1)
	if len(lines) != 2 {
		t.Fatalf("docs/redis-keys.md has %d lines ACL SETUSER sluice, want 2", len(lines))
	}
	return strings.Fields(strings.Replace(lines[0][1], ">PASSWORD", ">open-sesame", 1)), strings.Fields(lines[1][1])
}

// TestRights has a user that may do just what the documentation says, and less.
func TestRights(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Options{})
	checks, ledger := permissions(t)
	url := "redis://sluice:open-sesame@" + s.Addr()
	user := func(rules ...string) Report {
		s.Do(t, append([]string{"ACL", "SETUSER", "sluice"}, rules...)...)
		return examine(t, Config{URL: url})
	}
	r := user(append(append([]string{"reset"}, checks...), ledger...)...)
	r.want(t, "rights", OK, "may do all", "")
	for _, name := range []string{"role", "eviction", "memory", "persistence", "pauses", "slow-log", "script-limit", "connections", "idle-timeout", "replicas", "min-replicas", "expiry", "prefix"} {
		r.want(t, name, Note, "not told", "give the user +")
	}
	for _, name := range []string{"version", "writes", "scripts", "latency", "clock"} {
		r.want(t, name, OK, "", "")
	}
	if r.Result != Note {
		t.Errorf("a user with all permissions that the documentation lists is a %s", r.Result)
	}

	r = user(append([]string{"reset"}, checks...)...)
	r.want(t, "rights", Warning, "without +hset +hget +hgetall +hdel +xadd +xlen +xrevrange, no policy or schedule can be changed", "ACL SETUSER ... ")
	r.want(t, "rights", Warning, "+publish &sluice:{~fleet}changed +subscribe &sluice:{~fleet}changed, changes of policies", "")
	r = user("-zadd")
	r.want(t, "rights", Warning, "without +zadd, no block or override", "+zadd")
	r = user("-mget", "-setrange")
	r.want(t, "rights", Failure, "without +mget +setrange, checks fail", "+mget +setrange")
	r = user("resetkeys", "~other:*", "+mget")
	r.want(t, "writes", Failure, "NOPERM", "the prefix")
}

func TestClockAndLatency(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Options{})
	for _, test := range []struct {
		ahead  time.Duration
		result Result
		found  string
	}{
		{0, OK, "the same as"},
		{2 * time.Second, OK, "s ahead of this machine's"},
		{6 * time.Second, Warning, "s ahead of"},
		{-6 * time.Second, Warning, "s behind this machine's"},
	} {
		r := examine(t, Config{URL: s.URL(), ahead: map[string]time.Duration{s.Addr(): test.ahead}})
		remedy := ""
		if test.result > OK {
			remedy = "NTP"
		}
		r.want(t, "clock", test.result, test.found, remedy)
	}
	examine(t, Config{URL: s.URL(), Timeout: time.Nanosecond}).want(t, "latency", Failure, "store_timeout is 1ns", "near the servers")
	for _, test := range []struct {
		median time.Duration
		want   Result
	}{{0, OK}, {24, OK}, {25, Warning}, {99, Warning}, {100, Failure}} {
		if got := slow(test.median, 100); got != test.want {
			t.Errorf("slow(%d, 100) = %s, want %s", test.median, got, test.want)
		}
	}
}

func TestVersions(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		info  map[string]string
		want  Result
		found string
	}{
		{map[string]string{"redis_version": "6.0.16"}, Failure, "Redis 6.0.16, which is older than Redis 6.2"},
		{map[string]string{"redis_version": "6.2.0"}, OK, "Redis 6.2.0"},
		{map[string]string{"redis_version": "10.1"}, OK, "Redis 10.1"},
		{map[string]string{"redis_version": "7.2.4", "valkey_version": "7.2.5"}, OK, "Valkey 7.2.5"},
		{map[string]string{"redis_version": "7.2.4", "valkey_version": "7.1.5"}, Failure, "older than Valkey 7.2"},
		{map[string]string{"redis_version": "7.2.4", "dragonfly_version": "df-1.2"}, Note, "dragonfly df-1.2"},
		{map[string]string{"redis_version": "unstable"}, Note, `"unstable"`},
	} {
		f := version(t.Context(), nil, &node{info: test.info})
		if f.Result != test.want || !strings.Contains(f.Found, test.found) {
			t.Errorf("version of %v is a %s: %q, want a %s: %q", test.info, f.Result, f.Found, test.want, test.found)
		}
	}
}
