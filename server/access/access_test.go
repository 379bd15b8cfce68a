package access

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

var file = `# who may do what
` + Line("ops", Admin, "one") + `

` + Line("grafana", Read, "two") + `   # dashboards
` + Line("web@eu-1", Check, "three") + "\r\n"

func TestFind(t *testing.T) {
	t.Parallel()
	tokens, err := Parse("tokens", []byte(file))
	if err != nil || tokens.Len() != 3 {
		t.Fatalf("Parse: %v, %v; want three tokens", tokens, err)
	}
	for shown, want := range map[string]Caller{
		"one": {"ops", Admin}, "two": {"grafana", Read}, "three": {"web@eu-1", Check},
		"": {}, "four": {}, "ONE": {}, "one ": {}, DigestOf("one").String(): {}, "ops": {},
	} {
		got, found := tokens.find(DigestOf(shown))
		if got != want || found != (want != Caller{}) {
			t.Errorf("find(%q) = %v, %v; want %v", shown, got, found, want)
		}
	}
}

func TestRolesIncludeLowerOnes(t *testing.T) {
	t.Parallel()
	all := []Role{Nobody, Check, Read, Admin}
	for i, r := range all {
		for j, other := range all {
			if r.Includes(other) != (i >= j) {
				t.Errorf("%s.Includes(%s) = %v", r, other, r.Includes(other))
			}
		}
		if parsed, err := ParseRole(r.String()); (err == nil) != (r != Nobody) || parsed != r {
			t.Errorf("ParseRole(%q) = %v, %v", r, parsed, err)
		}
	}
}

// TestParseTellsAllFaults names each line, and never what stands there for a token.
func TestParseTellsAllFaults(t *testing.T) {
	t.Parallel()
	good := DigestOf("x").String()
	_, err := Parse("tokens", []byte(strings.Join([]string{
		"ops admin " + good,
		"ops read " + DigestOf("y").String(),
		"copy read " + good,
		"one two",
		"bob root sluice_open-sesame",
		"böb read " + DigestOf("z").String(),
		"eve read " + good + "00 # too long",
		"file read " + DigestOf("f").String(),
	}, "\n")))
	if err == nil {
		t.Fatal("Parse finds no fault")
	}
	if strings.Contains(err.Error(), "sesame") {
		t.Errorf("the faults tell what may be a token: %v", err)
	}
	lines := strings.Split(err.Error(), "\n")
	for i, want := range []string{
		"tokens:2: the name ops is that of line 1",
		"tokens:3: the token is that of line 1",
		"tokens:4: it has 2 words; it must be NAME ROLE SHA256-OF-TOKEN",
		`tokens:5: the role is "root"; it must be check, read or admin; what stands for the token has 18 characters`,
		`tokens:6: the name is "böb"`,
		"tokens:7: what stands for the token has 66 characters",
		"tokens:8: the name file is not to be had",
	} {
		if i >= len(lines) || !strings.HasPrefix(lines[i], want) {
			t.Errorf("the faults are\n%s\nwant as number %d: %s", err, i+1, want)
		}
	}
	for text, want := range map[string]string{
		"":                             "tokens: it has no token",
		"# nothing\n":                  "tokens: it has no token",
		strings.Repeat("#", maxFile+1): "tokens: it has more than",
	} {
		if _, err := Parse("tokens", []byte(text)); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("Parse(%.10q) = %v, want %q", text, err, want)
		}
	}
	var many strings.Builder
	for i := range maxTokens + 1 {
		many.WriteString("n" + strings.Repeat("x", i%60) + string(rune('a'+i/60)) + " read " + DigestOf(many.String()).String() + "\n")
	}
	if _, err := Parse("tokens", []byte(many.String())); err == nil || !strings.Contains(err.Error(), "it can have 1000") {
		t.Errorf("Parse of 1001 tokens: %v", err)
	}
}

func TestNewToken(t *testing.T) {
	t.Parallel()
	a, b := NewToken(), NewToken()
	if a == b || !strings.HasPrefix(a, "sluice_") || len(a) != len("sluice_")+43 {
		t.Errorf("tokens %q and %q, want two of 256 bits", a, b)
	}
	tokens, err := Parse("tokens", []byte(Line("ops", Admin, a)))
	if err != nil {
		t.Fatal(err)
	}
	if got, found := tokens.find(DigestOf(a)); !found || got.Name != "ops" {
		t.Errorf("the line of a token lets in %v, %v", got, found)
	}
}

// TestBook takes over what the file says, and keeps what was in force where that is nothing.
func TestBook(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "tokens")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Open(path); err == nil {
		t.Error("Open of no file: no error")
	}
	write("nonsense")
	if _, err := Open(path); err == nil {
		t.Error("Open of a file with a fault: no error")
	}
	write(file)
	synctest.Test(t, func(t *testing.T) {
		book, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		var events []string
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			book.Watch(ctx, func(n int) { events = append(events, "took") }, func(err error) { events = append(events, "failed") })
		}()
		pass := func() {
			time.Sleep(1100 * time.Millisecond)
			synctest.Wait()
		}
		pass()
		first := book.Edition()
		write("nonsense")
		pass()
		pass()
		if _, found := book.Find("one"); !found || book.Edition() != first {
			t.Error("a file with faults has taken the tokens away")
		}
		write(Line("new", Read, "five"))
		pass()
		if got, found := book.Find("five"); !found || got.Role != Read || book.Edition() == first {
			t.Errorf("the new token is %v, %v", got, found)
		}
		if _, found := book.Find("one"); found {
			t.Error("a token that was taken out lets in")
		}
		stop()
		<-ended
		if diff := cmp.Diff([]string{"took", "failed", "took"}, events); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	})
	none := (*Book)(nil)
	if _, found := none.Find(""); found || none.Edition() != nil {
		t.Error("no book knows somebody")
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(file))
	f.Add([]byte("a b c\n# x\n\x00\xff admin 00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		tokens, err := Parse("tokens", data)
		if (tokens == nil) == (err == nil) {
			t.Errorf("Parse = %v, %v; want one of the two", tokens, err)
		}
	})
}
