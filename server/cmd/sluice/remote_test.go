package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// What is no Sluice server has decided nothing, whatever it answers.
func TestRemoteIsNoSluice(t *testing.T) {
	t.Parallel()
	for _, body := range []string{`{}`, `null`, `{"status":"ok"}`, `{"allowed":true,"source":"store"}`, `{"allowed":true,"limits":[]}`, `[]`, `hello`, ``} {
		other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, body)
		}))
		r, err := newRemote(strings.Replace(other.URL, "://", "://u:open-sesame@", 1))
		if err != nil {
			t.Fatal(err)
		}
		q := question{policy: "api", key: "alice", cost: 1}
		_, checked := r.check(t.Context(), q)
		_, peeked := r.peek(t.Context(), q)
		for call, err := range map[string]error{"check": checked, "peek": peeked, "reset": r.reset(t.Context(), q)} {
			if err == nil || !strings.Contains(err.Error(), "see that it is a Sluice server") || strings.Contains(err.Error(), "sesame") {
				t.Errorf("%s of what answers %q: error %v, want one that says it is no Sluice server, without the password", call, body, err)
			}
		}
		r.close()
		other.Close()
	}
}
