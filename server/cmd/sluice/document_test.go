package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-project/sluice/policy"
	"github.com/sluice-project/sluice/server/httpapi"
)

func TestSetLeaf(t *testing.T) {
	t.Parallel()
	const document = `{"limits":{"second":"10/s","a.b":"1/h"},"shadow":false,"block":{"after":3,"for":"1m"}}`
	for _, test := range []struct{ arg, want string }{
		{"shadow=true", `{"limits":{"second":"10/s","a.b":"1/h"},"shadow":true,"block":{"after":3,"for":"1m"}}`},
		{"limits.second=20/s burst 40", `{"limits":{"second":"20/s burst 40","a.b":"1/h"},"shadow":false,"block":{"after":3,"for":"1m"}}`},
		{"limits.a.b=2/h", `{"limits":{"second":"10/s","a.b":"2/h"},"shadow":false,"block":{"after":3,"for":"1m"}}`},
		{"limits.day=5/d", `{"limits":{"second":"10/s","a.b":"1/h","day":"5/d"},"shadow":false,"block":{"after":3,"for":"1m"}}`},
		{"limits.a.b=", `{"limits":{"second":"10/s"},"shadow":false,"block":{"after":3,"for":"1m"}}`},
		{`limits=["5/m"]`, `{"limits":["5/m"],"shadow":false,"block":{"after":3,"for":"1m"}}`},
		{"block=", `{"limits":{"second":"10/s","a.b":"1/h"},"shadow":false}`},
		{"block.after=100", `{"limits":{"second":"10/s","a.b":"1/h"},"shadow":false,"block":{"after":100,"for":"1m"}}`},
		{`key=["ip", "path"]`, `{"limits":{"second":"10/s","a.b":"1/h"},"shadow":false,"block":{"after":3,"for":"1m"},"key":["ip", "path"]}`},
		{"key=header:X=1", `{"limits":{"second":"10/s","a.b":"1/h"},"shadow":false,"block":{"after":3,"for":"1m"},"key":"header:X=1"}`},
		{"lease.ttl=500ms", `{"limits":{"second":"10/s","a.b":"1/h"},"shadow":false,"block":{"after":3,"for":"1m"},"lease":{"ttl":"500ms"}}`},
		{"lease={}", `{"limits":{"second":"10/s","a.b":"1/h"},"shadow":false,"block":{"after":3,"for":"1m"},"lease":{}}`},
		{"shadow.x=1", `{"limits":{"second":"10/s","a.b":"1/h"},"shadow":false,"block":{"after":3,"for":"1m"},"shadow.x":1}`},
	} {
		leaves, err := policyKind.leaves([]byte(document))
		if err != nil {
			t.Fatal(err)
		}
		l, err := policyKind.parseLeaf(test.arg)
		if err != nil {
			t.Errorf("parseLeaf(%q): %v", test.arg, err)
			continue
		}
		if got := string(policy.JoinDocument(setLeaf(leaves, l))); got != test.want {
			t.Errorf("%s makes of %s\n %s, want\n %s", test.arg, document, got, test.want)
		}
	}
}

// holder answers as a Sluice server does that has what is put, and lets others change it some times meanwhile.
type holder struct {
	revision int
	document string
	others   int
	read     int // how often it was
}

func (s *holder) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Sluice-Persistence", "store")
	answer := func() {
		w.Header().Set("ETag", fmt.Sprintf("%q", fmt.Sprint(s.revision)))
		_, _ = io.WriteString(w, s.document)
	}
	switch {
	case r.Method == http.MethodGet:
		s.read++
		answer()
		if s.others > 0 {
			s.others--
			s.revision++
			s.document = strings.Replace(s.document, `"a":"`, `"a":"1`, 1)
		}
	case r.Header.Get("If-Match") != fmt.Sprintf("%q", fmt.Sprint(s.revision)):
		w.WriteHeader(http.StatusPreconditionFailed)
		_, _ = io.WriteString(w, `{"status":412,"detail":"somebody was faster"}`)
	default:
		body, _ := io.ReadAll(r.Body)
		s.revision++
		s.document = string(body)
		answer()
	}
}

// A change is made on what others made meanwhile, and loses nothing; one that is meant for a revision is not tried again.
func TestChangeAmongOthers(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		others int
		meant  meantRevision
		want   string // "" where it fails
	}{
		{0, "", `{"limits":{"a":"1/s","b":"2/s"}}`},
		{3, "", `{"limits":{"a":"1111/s","b":"2/s"}}`},
		{changeAttempts, "", ""},
		{0, "7", `{"limits":{"a":"1/s","b":"2/s"}}`},
		{1, "7", ""},
		{0, "6", ""},
	} {
		live := &holder{revision: 7, document: `{"limits":{"a":"1/s"}}`, others: test.others}
		listening := httptest.NewServer(live)
		r, err := newRemote(listening.URL)
		if err != nil {
			t.Fatal(err)
		}
		_, err = r.change(t.Context(), policyKind, "api", test.meant, func(all []policy.Leaf) ([]policy.Leaf, error) {
			return setLeaf(all, policy.Leaf{Field: "limits", Name: "b", Value: `"2/s"`}), nil
		})
		problem := (*httpapi.Problem)(nil)
		switch {
		case test.want == "" && !errors.As(err, &problem):
			t.Errorf("change among %d others, meant for %q: error %v, want that of the server", test.others, test.meant, err)
		case test.want != "" && (err != nil || live.document != test.want):
			t.Errorf("change among %d others, meant for %q makes %s (error %v), want %s", test.others, test.meant, live.document, err, test.want)
		}
		if test.meant != "" && live.read != 1 {
			t.Errorf("change among %d others, meant for %q: tried %d times, want once", test.others, test.meant, live.read)
		}
		r.close()
		listening.Close()
	}
}

func TestChangeText(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ from, to, want string }{
		{"", "", ""},
		{"", "until noon", "until noon"},
		{"until noon", "", "was until noon"},
		{"10/s", "11/s", "10/s -> 11/s"},
		{
			`{"limits":{"second":"10/s","day":"1/d"},"shadow":false}`, `{"limits":{"second":"11/s"},"shadow":false,"key":["ip"]}`,
			`limits.second: 10/s -> 11/s, limits.day: 1/d taken out, key: ["ip"]`,
		},
		{"", `{"cron":"@hourly","reset":{"policy":"api"}}`, "cron @hourly, reset.policy api"},
		{`{"a":1}`, `{"a":`, `{"a":1} -> {"a":`},
	} {
		if diff := cmp.Diff(test.want, changeText(test.from, test.to)); diff != "" {
			t.Errorf("changeText(%q, %q) (-want +got):\n%s", test.from, test.to, diff)
		}
	}
}

// TestAuditText says of a line what it is about, and whether it is known to have been done.
func TestAuditText(t *testing.T) {
	t.Parallel()
	for want, e := range map[string]auditEntry{
		"put policy api":         {What: "put", Policy: "api"},
		"run schedule s":         {What: "run", Policy: "api", Schedule: "s"},
		"block policy api key k": {What: "block", Policy: "api", Key: "k"},
		"block policy api key k (it may have been done: the store did not say)": {What: "block", Policy: "api", Key: "k", Uncertain: true},
	} {
		if got := e.text(); got != want {
			t.Errorf("the text of %+v is %q, want %q", e, got, want)
		}
	}
}
