package httpapi_test

import (
	"fmt"
	"maps"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

var (
	// consoleBlock is a block of commands and what they print.
	consoleBlock = regexp.MustCompile("(?s)```console\n(.*?)```")
	// curlWord is an argument: in single quotation marks, or without spaces.
	curlWord = regexp.MustCompile(`'([^']*)'|\S+`)
)

// TestDocumentedCalls makes the calls of docs/http.md, one after the other and a minute apart, to a server of the example
// policies, and compares what they print.
func TestDocumentedCalls(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/http.md")
	if err != nil {
		t.Fatal(err)
	}
	example, err := os.ReadFile("../example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(time.Date(2026, 12, 1, 9, 0, 0, 0, time.UTC)))
		d := open(t, string(example))
		var want, got strings.Builder
		for _, block := range consoleBlock.FindAllStringSubmatch(string(page), -1) {
			want.WriteString(block[1])
			for line := range strings.Lines(block[1]) {
				if command, ok := strings.CutPrefix(line, "$ curl "); ok {
					got.WriteString(line + d.curl(command))
					time.Sleep(time.Minute)
				}
			}
		}
		if diff := cmp.Diff(want.String(), got.String()); diff != "" {
			t.Errorf("docs/http.md (-) says something else than the calls (+):\n%s", diff)
		}
	})
}

// curl makes the call of a command and returns what it prints; of the header only what says something of the call.
func (d door) curl(command string) string {
	d.t.Helper()
	var method, target, body string
	var headers []string
	show := false
	words := curlWord.FindAllString(command, -1)
	for i := 0; i < len(words); i++ {
		word := strings.Trim(words[i], "'")
		switch word {
		case "-s":
		case "-si":
			show = true
		case "-X", "-d", "-H":
			i++
			value := strings.Trim(words[i], "'")
			switch word {
			case "-X":
				method = value
			case "-d":
				body = value
			default:
				headers = append(headers, value)
			}
		default:
			target = strings.TrimPrefix(word, "127.0.0.1:8080")
		}
	}
	if method == "" {
		method = map[bool]string{true: "POST", false: "GET"}[body != ""]
	}
	w := d.send(method, target, body, headers...)
	if !show {
		return w.Body.String()
	}
	out := fmt.Sprintf("HTTP/1.1 %d %s\n", w.Code, http.StatusText(w.Code))
	for _, name := range slices.Sorted(maps.Keys(w.Header())) {
		out += name + ": " + strings.Join(w.Header().Values(name), ", ") + "\n"
	}
	if w.Body.Len() > 0 {
		out += "\n" + w.Body.String()
	}
	return out
}

// TestEveryCallIsDocumented finds each path in the table of docs/http.md.
func TestEveryCallIsDocumented(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/http.md")
	if err != nil {
		t.Fatal(err)
	}
	d := open(t, apiConfig)
	_, list, _ := strings.Cut(d.problem(d.send("GET", "/nothing", "")).Detail, "the calls are ")
	paths := strings.Split(list, ", ")
	if len(paths) < 15 {
		t.Fatalf("the calls are %q, want at least 15", paths)
	}
	named := strings.NewReplacer("/v1/policies/{name}", "/v1/policies/{policy}", "/v1/schedules/{name}", "/v1/schedules/{schedule}", "/v1/authorize/{name}", "/v1/authorize/{policy}")
	for _, path := range paths {
		if !regexp.MustCompile("(?m)^\\| .*[A-Z] " + regexp.QuoteMeta(named.Replace(path)) + "[`?\\[]").Match(page) {
			t.Errorf("docs/http.md has no %s in its table", named.Replace(path))
		}
	}
}
