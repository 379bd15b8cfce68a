package respapi_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-project/sluice/server/access"
	"github.com/sluice-project/sluice/server/respapi"
)

// writeTokens writes a file with a token for each role, by the name and under the name of the role.
func writeTokens(t *testing.T, roles ...access.Role) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tokens")
	var lines []string
	for _, r := range roles {
		lines = append(lines, access.Line("a-"+r.String(), r, r.String()+"-token"))
	}
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func openBook(t *testing.T, roles ...access.Role) *access.Book {
	t.Helper()
	book, err := access.Open(writeTokens(t, roles...))
	if err != nil {
		t.Fatal(err)
	}
	return book
}

// TestTokens gives who shows a token its role, and nobody another one; on this machine, too.
func TestTokens(t *testing.T) {
	t.Parallel()
	const ok, auth, perm, wrong = "OK", "NOAUTH", "NOPERM", "WRONGPASS"
	for _, test := range []struct {
		name                              string
		password                          string
		checksNeed                        bool
		login, want                       string
		ping, check, throttle, administer string
	}{
		{"nothing", "", false, "", "", ok, ok, perm, perm},
		{"the role check", "", false, "AUTH check-token", ok, ok, ok, ok, perm},
		{"the role read", "", false, "AUTH default read-token", ok, ok, ok, ok, perm},
		{"the role admin", "", false, "AUTH a-admin admin-token", ok, ok, ok, ok, ok},
		{"by HELLO", "", false, "HELLO 2 AUTH a-admin admin-token", ok, ok, ok, ok, ok},
		{"a wrong token", "", false, "AUTH nobody-token", wrong, ok, ok, perm, perm},
		{"a token under another name", "", false, "AUTH a-read admin-token", wrong, ok, ok, perm, perm},
		{"nothing, where checks need a token", "", true, "", "", auth, auth, auth, auth},
		{"a token, where checks need one", "", true, "AUTH check-token", ok, ok, ok, ok, perm},
		{"the password", "p", false, "AUTH p", ok, ok, ok, ok, ok},
		{"a token in the place of the password", "p", false, "AUTH check-token", ok, ok, ok, ok, perm},
		{"nothing, where there is a password", "p", false, "", "", auth, auth, auth, auth},
		{"the password under the name of a token", "p", false, "AUTH a-admin p", wrong, auth, auth, auth, auth},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			d := open(t, respapi.Config{Password: test.password, Tokens: openBook(t, access.Check, access.Read, access.Admin)}, true)
			d.door.Configure(respapi.Options{ChecksNeedToken: test.checksNeed})
			c := d.dial()
			is := func(words, want string) {
				t.Helper()
				text, failed := c.do(words).(failure)
				if failed && (want == ok || !strings.HasPrefix(string(text), want)) || !failed && want != ok {
					t.Errorf("%s is answered %q, want %s", words, text, want)
				}
			}
			if test.login != "" {
				is(test.login, test.want)
			}
			is("PING", test.ping)
			is("SL.CHECK api k", test.check)
			is("CL.THROTTLE k 1 1 1", test.throttle)
			for _, words := range []string{"SL.RESET api k", "SL.BLOCK api k 60000", "SL.UNBLOCK api k"} {
				is(words, test.administer)
			}
			is("RESET", ok)
			if test.password == "" && !test.checksNeed {
				is("SL.RESET api k", perm) // it has proved nothing again
			}
		})
	}
}

// TestAuditNamesTheToken says who it was.
func TestAuditNamesTheToken(t *testing.T) {
	t.Parallel()
	d := open(t, respapi.Config{Tokens: openBook(t, access.Admin)}, false)
	c := d.dial()
	c.expect(answer{"AUTH admin-token", "OK"}, answer{"SL.BLOCK api k 60000", "OK"}, answer{"SL.UNBLOCK api k", "OK"}, answer{"SL.RESET api k", "OK"})
	lines, _, err := d.control.Audit(t.Context(), "", 3)
	if err != nil || len(lines) != 3 {
		t.Fatalf("Audit: %v, %v", lines, err)
	}
	for _, l := range lines {
		if l.Who != "a-admin" {
			t.Errorf("%s was done by %s, want a-admin", l.What, l.Who)
		}
	}
}

// TestTokenIsTakenAway shows that who has shown a token is let in no longer than it is one.
func TestTokenIsTakenAway(t *testing.T) {
	t.Parallel()
	path := writeTokens(t, access.Check, access.Admin)
	only, err := os.ReadFile(writeTokens(t, access.Check))
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		book, err := access.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			book.Watch(ctx, func(int) {}, func(err error) { t.Error(err) })
		}()
		d := openWires(t, nil, respapi.Config{Tokens: book})
		admin, checker := d.dial(), d.dial()
		admin.expect(answer{"AUTH admin-token", "OK"}, answer{"SL.RESET api k", "OK"})
		checker.expect(answer{"AUTH check-token", "OK"})
		if err := os.WriteFile(path, only, 0o600); err != nil {
			t.Fatal(err)
		}
		time.Sleep(1100 * time.Millisecond)
		if got, failed := admin.do("SL.RESET api k").(failure); !failed || !strings.HasPrefix(string(got), "NOPERM") {
			t.Errorf("SL.RESET by a token that was taken away is answered %q", got)
		}
		if got, failed := checker.do("CL.THROTTLE k 1 1 1").(failure); failed {
			t.Errorf("CL.THROTTLE by a token that is there still is answered %q", got)
		}
		stop()
		<-ended
	})
}

// TestTimeToLogIn is counted from when a client has to prove who it is, not from when it had to before, however long it has
// been connected.
func TestTimeToLogIn(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, password    string
		begin, end, again func(d door, c *client) // after which it is known, no longer is, and has proved it again
	}{
		{
			"after RESET", "p", func(_ door, c *client) { c.expect(answer{"AUTH p", "OK"}) }, func(_ door, c *client) { c.expect(answer{"RESET", "RESET"}) },
			func(_ door, c *client) { c.expect(answer{"AUTH p", "OK"}) },
		},
		{"when checks need a token again", "", func(d door, c *client) {
			d.door.Configure(respapi.Options{})
			c.expect(answer{"PING", "PONG"})
		}, func(d door, c *client) {
			d.door.Configure(respapi.Options{ChecksNeedToken: true})
			if got, failed := c.do("PING").(failure); !failed || !strings.HasPrefix(string(got), "NOAUTH") {
				t.Errorf("PING is answered %q, want NOAUTH", got)
			}
		}, func(_ door, c *client) { c.expect(answer{"AUTH check-token", "OK"}) }},
	} {
		synctest.Test(t, func(t *testing.T) {
			d := openWires(t, nil, respapi.Config{Password: test.password, Tokens: openBook(t, access.Check)})
			d.door.Configure(respapi.Options{ChecksNeedToken: true})
			c, slow := d.dial(), d.dial()
			test.begin(d, c)
			test.begin(d, slow)
			time.Sleep(time.Minute)
			test.end(d, c)
			test.end(d, slow)
			time.Sleep(5 * time.Second)
			test.again(d, c)
			time.Sleep(15 * time.Second)
			if !slow.gone() {
				t.Errorf("%s: a client that does not prove who it is is there still", test.name)
			}
			c.expect(answer{"PING", "PONG"})
		})
	}
}

// TestIdle cuts who has nothing to say for longer than is allowed, and nobody who says something in time.
func TestIdle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := openWires(t, nil, respapi.Config{IdleTime: time.Minute})
		silent, talking, tired := d.dial(), d.dial(), d.dial()
		tired.expect(answer{"PING", "PONG"}) // and no more
		for range 3 {
			time.Sleep(40 * time.Second)
			talking.expect(answer{"PING", "PONG"})
		}
		if !silent.gone() || !tired.gone() {
			t.Error("a client that says nothing for two minutes is there still")
		}
		if n := d.door.Stats().TimedOut; n != 2 {
			t.Errorf("%d were cut, want 2", n)
		}
	})
}
