package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/internal/redistest"
)

// strangeKeys are keys that something on the way from a caller to Redis might cut, join, escape, clean up, or take for
// something else.
var strangeKeys = []string{
	"a", "A", "a ", " a", "a\n", "a\r\n", "a\x00", "a\x00b", "\x00", "\n", "\t", "\x7f", "\x1b[31m",
	"a/b", "a//b", "/a/b", "a/b/", "a/./b", "a/../b", ".", "..", "../..", "a/", "/",
	"{", "}", "{}", "{a}", "{a}b", "a{b}", "}{", "{a", "a}", "three|a", "three|a}", "a}{three|b",
	"|", "||", "a|b", `a\|b`, `a\\|b`, `\`, `\\`, `"`, `'`, `a"b`, "`", "$(a)", "%00", "%2F", "a%2Fb", "a+b", "a b", "a&b=c", "a?b#c",
	"#", "##", "#0123456789abcdef0123456789abcdef", "*", "a*", "?", "[a]", "sluice:{three|a}",
	"é", "e\u0301", "\u00e9\u200b", "\ufeffa", "ключ", "鍵", "🔑", "\u202ea", "\ufffd",
	"\xff", "\xfe\xff", "a\xc3", "\xc3(", "\xed\xa0\x80", "\x80\x00\xff\n{}|",
	"null", "0", "-1", "1e3", "true", "[]", "{\"key\":\"a\"}",
	strings.Repeat("k", 200), strings.Repeat("k", 201), strings.Repeat("{", 201), strings.Repeat("\xff", sluice.MaxKeyBytes),
	strings.Repeat("k", sluice.MaxKeyBytes),
}

// TestStrangeKeys charges each key another number of units, and finds that number at each afterwards.
func TestStrangeKeys(t *testing.T) {
	t.Parallel()
	for name, start := range stores {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // a Cluster starts slowly
			storeURL, nodes := start(t)
			all := policies(quietPeriod())
			policy := all[len(all)-1].Name
			f := startFleet(t, servers, config(storeURL, patient, all...))
			c := newClient()
			defer c.close()
			charged := func(i int) int64 { return int64(i + 1) }
			for i, key := range strangeKeys {
				d, err := c.check(f[i%servers].addr, ask(policy, key, charged(i)).String())
				if err != nil {
					t.Fatal(err)
				}
				if got := d.Key + string(d.KeyBase64); !d.Allowed || d.Remaining != count-charged(i) || got != key {
					t.Errorf("a check of %q = %+v, want it allowed with %d remaining", key, d, count-charged(i))
				}
			}
			for i, key := range strangeKeys {
				d, err := c.peek(f[(i+1)%servers].addr, policy, key)
				if err != nil {
					t.Fatal(err)
				}
				if got := count - d.Remaining; got != charged(i) {
					t.Errorf("the key %q has used %d, want %d: it shares its state with another key", key, got, charged(i))
				}
			}
			if found := requireExpiry(t, nodes); found != len(strangeKeys) {
				t.Errorf("%d states in Redis, want %d", found, len(strangeKeys))
			}
		})
	}
}

// ask returns a question for any key: one that is no UTF-8 cannot stand in JSON as it is.
func ask(policy, key string, cost int64) question {
	if utf8.ValidString(key) {
		return question{Policy: policy, Key: key, Cost: cost}
	}
	return question{Policy: policy, KeyBase64: []byte(key), Cost: cost}
}

// TestStrangeRequests lets policies make the key of a request's parts: different parts never share a key. A path counts as
// it reads unescaped, and nothing else of it is cleaned up.
func TestStrangeRequests(t *testing.T) {
	t.Parallel()
	f := startFleet(t, servers, config(redistest.Start(t, redistest.Options{}).URL(), patient)+`
  path: {key: path, limits: [1/366d]}
  parts: {key: ["header:X-A", "header:X-B", method, path], limits: [1/366d]}
`)
	var requests []string
	for _, path := range []string{
		"/", "//", "/a", "/a/", "/a//b", "/a/b", "/a/./b", "/a/../b", "/..", "/../a", "/a%252Fb", "/a%00", "/a%0A", "/a%7C", "/%7Ba%7D", "/a%FF",
	} {
		requests = append(requests, "GET /v1/authorize/path"+path+" HTTP/1.1\r\n")
	}
	for _, method := range []string{"GET", "POST"} {
		for _, parts := range [][2]string{
			{"a", "b"}, {"a|b", "c"}, {"a", "b|c"}, {`a\`, "b"}, {`a\|b`, "c"}, {"{a}", "b"}, {"a}{b", "c"}, {"b", "a"}, {"a/b", "c"}, {"a", "/b"},
		} {
			requests = append(requests, fmt.Sprintf("%s /v1/authorize/parts/x HTTP/1.1\r\nX-A: %s\r\nX-B: %s\r\n", method, parts[0], parts[1]))
		}
	}
	for round, want := range []int{http.StatusOK, http.StatusTooManyRequests} {
		for i, head := range requests {
			k, err := dial(f[(i+round)%servers].addr)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(k, "%sHost: localhost\r\nContent-Length: 0\r\n\r\n", head)
			if a := k.read(); a.status != want {
				t.Errorf("round %d, %q: %d %s %v, want %d", round, head, a.status, a.body, a.err, want)
			}
			k.Close()
		}
	}
}

// TestKeysSpread charges keys that ask for one slot of the Cluster: they spread over all masters all the same.
func TestKeysSpread(t *testing.T) {
	t.Parallel()
	const keys, masters = 1000, 3
	c := redistest.StartCluster(t)
	f := startFleet(t, servers, config(c.URL(), patient)+"\n  open: {limits: [1/366d]}\n")
	caller := newClient()
	defer caller.close()
	for _, form := range []string{"{x}%d", "x}%d{", "%d{x}", "x%d"} {
		before := states(t, c)
		batch := make([]question, keys)
		for i := range batch {
			batch[i] = question{Policy: "open", Key: fmt.Sprintf(form, i), Cost: 1}
		}
		decisions, err := caller.checks(f[0].addr, batch)
		if err != nil {
			t.Fatal(err)
		}
		for i, d := range decisions {
			if !d.Allowed {
				t.Errorf("the first check of %q is refused", batch[i].Key)
			}
		}
		var each []int64
		for i, n := range states(t, c) {
			each = append(each, n-before[i])
			if n-before[i] < keys/masters*3/4 {
				t.Errorf("of %d keys like %s a master has %d, want about %d", keys, batch[0].Key, n-before[i], keys/masters)
			}
		}
		t.Logf("%d keys like %s: %v", keys, batch[0].Key, each)
	}
}

// states returns how many keys each node has.
func states(t *testing.T, c *redistest.Cluster) (counts []int64) {
	t.Helper()
	for _, node := range c.Nodes {
		counts = append(counts, node.Do(t, "DBSIZE").(int64))
	}
	return counts
}
