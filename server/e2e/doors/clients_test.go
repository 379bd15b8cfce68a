//go:build e2e

package doors

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
)

// redisPage is the page whose examples the clients run.
const redisPage = "../../../docs/redis-protocol.md"

// serveRedis starts a server with the policy of the page, and returns the port of its door for clients of Redis.
func serveRedis(t *testing.T, listen string) string {
	t.Helper()
	config := fmt.Sprintf("listen: {http: 127.0.0.1:0, resp: 127.0.0.1:0%s}\npolicies: {api: {limits: {second: 10/s burst 20, day: 10000/day}}}\n", listen)
	s := serve(t, config)
	address, _, _ := strings.Cut(s.WaitLog(t, "setting=listen.resp address="), " ")
	return address[strings.LastIndexByte(address, ':')+1:]
}

// documented returns an example of the page in a language, for a port, and what its comments say that it prints.
func documented(t *testing.T, language, comment, port string) (program, want string) {
	t.Helper()
	page, err := os.ReadFile(redisPage)
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)```" + language + "\n(.*?)```").FindSubmatch(page)
	if block == nil || !strings.Contains(string(block[1]), "7379") {
		t.Fatalf("%s has no example in %s for port 7379", redisPage, language)
	}
	program = strings.ReplaceAll(string(block[1]), "7379", port)
	for line := range strings.Lines(program) {
		if _, prints, found := strings.Cut(line, "  "+comment+" "); found {
			want += prints
		} else if _, prints, found := strings.Cut(line, "; "+comment+" "); found {
			want += prints
		}
	}
	return program, want
}

// output runs a program and returns what it prints.
func output(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := program(t, name, args...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, out)
	}
	return string(out)
}

// TestRedisExamples has redis-py and ioredis run the examples of the page, which print what its comments say.
func TestRedisExamples(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ language, comment, client, flag string }{{"python", "#", "redis-py", "-c"}, {"js", "//", "ioredis", "-e"}} {
		t.Run(test.client, func(t *testing.T) {
			t.Parallel()
			text, want := documented(t, test.language, test.comment, serveRedis(t, ""))
			if got := output(t, test.client, test.flag, text); got != want || strings.Count(want, "\n") != 3 {
				t.Errorf("the example prints\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// TestRedisClients has clients in other languages connect in the ways that they know, and pipeline.
func TestRedisClients(t *testing.T) {
	t.Parallel()
	const python = `
import redis, sys
for options in OPTIONS:
    r = redis.Redis(port=PORT, password="open sesame", client_name="tester", **options)
    assert r.ping()
    key = "key:" + str(options)
    p = r.pipeline(transaction=False)
    for _ in range(100):
        p.execute_command("CL.THROTTLE", key, 49, 1, 3600)
    answers = p.execute()
    assert [a[0] for a in answers] == [0] * 50 + [1] * 50, answers
    assert answers[-1] == [1, 50, 0, 3600, 180000], answers[-1]
    try:
        r.execute_command("CL.THROTTLE", key, "x", 1, 1)
        sys.exit("no error")
    except redis.ResponseError as e:
        assert str(e) == "Cell error: Store error: Couldn't parse as integer: x", e
    assert r.execute_command("SL.RESET", "api", key) in (b"OK", "OK", True)
print("done")
`
	const node = `
const Redis = require("ioredis");
(async () => {
  const redis = new Redis({ port: PORT, password: "open sesame", connectionName: "tester" });
  const p = redis.pipeline();
  for (let i = 0; i < 100; i++) p.call("CL.THROTTLE", "node", 49, 1, 3600);
  const answers = await p.exec();
  if (answers.filter(([e, a]) => !e && a[0] === 0).length !== 50) throw new Error(JSON.stringify(answers));
  await redis.call("CL.THROTTLE", "node", "x", 1, 1).then(() => { throw new Error("no error"); }, (e) => {
    if (e.message !== "Cell error: Store error: Couldn't parse as integer: x") throw e;
  });
  await redis.quit();
  console.log("done");
})();
`
	for _, test := range []struct{ client, flag, text, options string }{
		{"redis-py", "-c", python, "[{}, {'protocol': 2}, {'protocol': 3}]"},
		{"redis-py-debian", "-c", python, "[{}]"},
		{"ioredis", "-e", node, ""},
	} {
		t.Run(test.client, func(t *testing.T) {
			t.Parallel()
			text := strings.NewReplacer("PORT", serveRedis(t, ", resp_password: open sesame"), "OPTIONS", test.options).Replace(test.text)
			if got := output(t, test.client, test.flag, text); got != "done\n" {
				t.Errorf("it prints\n%s", got)
			}
		})
	}
}

// TestRedisCLI has redis-cli ask by both protocols, without special settings.
func TestRedisCLI(t *testing.T) {
	t.Parallel()
	port := serveRedis(t, "")
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"CL.THROTTLE", "user:42", "15", "30", "60"}, "0\n16\n15\n-1\n2\n"},
		{[]string{"-3", "CL.THROTTLE", "user:42", "15", "30", "60", "0"}, "0\n16\n15\n-1\n2\n"},
		{[]string{"-3", "SL.CHECK", "api", "alice"}, "allowed (true)\nremaining 19\n"},
		{[]string{"SL.CHECK", "api", "bob"}, "allowed\n1\nremaining\n19\n"},
		{[]string{"SL.BLOCK", "api", "bob", "60000", "abuse of the search"}, "OK\n"},
		{[]string{"SL.UNBLOCK", "api", "bob"}, "OK\n"},
		{[]string{"PING"}, "PONG\n"},
	} {
		got := output(t, "redis-cli", append([]string{"-p", port}, test.args...)...)
		if !strings.HasPrefix(got, test.want) {
			t.Errorf("redis-cli %q prints\n%s\nwant\n%s", test.args, got, test.want)
		}
	}
}

// TestRedisBenchmark has redis-benchmark ask in pipelines of every depth that it is measured with.
func TestRedisBenchmark(t *testing.T) {
	t.Parallel()
	port := serveRedis(t, "")
	for _, depth := range []string{"1", "16", "64"} {
		got := output(t, "redis-benchmark", "-p", port, "-P", depth, "-n", "20000", "-c", "50", "-r", "1000", "--csv",
			"CL.THROTTLE", "key:__rand_int__", "15", "30", "60")
		if !regexp.MustCompile(`"CL.THROTTLE key:__rand_int__ 15 30 60","[1-9][0-9.]*"`).MatchString(got) {
			t.Errorf("with pipelines of %s it prints\n%s", depth, got)
		}
	}
	if got := output(t, "redis-cli", "-p", port, "CL.THROTTLE", "key:000000000007", "15", "30", "60", "0"); !strings.HasPrefix(got, "0\n16\n") {
		t.Errorf("a key of the benchmark is answered\n%s", got)
	}
}
