package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-project/sluice"
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
		_, blocked := r.block(t.Context(), q, sluice.Bar{For: time.Minute})
		_, listed := r.list(t.Context(), "/v1/blocks", nil, "blocks", 0)
		_, got := r.document(t.Context(), policyKind, "api")
		_, put := r.put(t.Context(), policyKind, "api", []byte("{}"), "")
		for call, err := range map[string]error{
			"check": checked, "peek": peeked, "reset": r.reset(t.Context(), q), "block": blocked, "unblock": r.unblock(t.Context(), q),
			"list": listed, "get": got, "put": put,
		} {
			if err == nil || !strings.Contains(err.Error(), "see that it is a Sluice server") || strings.Contains(err.Error(), "sesame") {
				t.Errorf("%s of what answers %q: error %v, want one that says it is no Sluice server, without the password", call, body, err)
			}
		}
		r.close()
		other.Close()
	}
}

// A list is all its pages, also where one of them is empty, or as many of its items as are wanted.
func TestList(t *testing.T) {
	t.Parallel()
	var asked []string
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.RawQuery)
		w.Header().Set("Sluice-Persistence", "store")
		_, _ = io.WriteString(w, map[string]string{
			"": `{"blocks":[{"key":"a"},{"key":"b"}],"cursor":"x&y"}`, "x&y": `{"blocks":[],"cursor":"z"}`, "z": `{"blocks":[{"key":"c"}]}`,
		}[r.URL.Query().Get("cursor")])
	}))
	t.Cleanup(other.Close)
	r, err := newRemote(other.URL)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		most  int
		want  string
		asked []string
	}{
		{0, `{"key":"a"}{"key":"b"}{"key":"c"}`, []string{"limit=1000&policy=api", "cursor=x%26y&limit=1000&policy=api", "cursor=z&limit=1000&policy=api"}},
		{2, `{"key":"a"}{"key":"b"}`, []string{"limit=2&policy=api"}},
		{3, `{"key":"a"}{"key":"b"}{"key":"c"}`, []string{"limit=3&policy=api", "cursor=x%26y&limit=1&policy=api", "cursor=z&limit=1&policy=api"}},
	} {
		asked = nil
		items, err := r.list(t.Context(), "/v1/blocks", url.Values{"policy": {"api"}}, "blocks", test.most)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, item := range items {
			got += string(item)
		}
		if got != test.want {
			t.Errorf("list of at most %d = %s, want %s", test.most, got, test.want)
		}
		if diff := cmp.Diff(test.asked, asked); diff != "" {
			t.Errorf("list of at most %d asks (-want +got):\n%s", test.most, diff)
		}
	}
}
