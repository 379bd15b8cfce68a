package e2e

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// admin makes calls of administration, each of which it expects to be answered.
type admin struct {
	client http.Client
	addr   string
}

func (s *server) admin() *admin {
	return &admin{http.Client{Timeout: patience}, s.addr}
}

// do makes a call and returns the status, the ETag and the body.
func (a *admin) do(t *testing.T, method, path, body string, header ...string) (status int, tag string, answer []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+a.addr+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := a.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if answer, err = io.ReadAll(res.Body); err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, res.Header.Get("ETag"), bytes.TrimSpace(answer)
}

// must makes a call that has to succeed, and reads its answer into to, unless that is nil.
func (a *admin) must(t *testing.T, method, path, body string, to any) (tag string) {
	t.Helper()
	status, tag, answer := a.do(t, method, path, body)
	if status/100 != 2 {
		t.Fatalf("%s %s: %d %s", method, path, status, answer)
	}
	if to != nil {
		if err := json.Unmarshal(answer, to); err != nil {
			t.Fatalf("%s %s answers %s: %v", method, path, answer, err)
		}
	}
	return tag
}

// enforces returns the texts of the limits that a check of a policy is decided by now, joined by commas.
func (a *admin) enforces(t *testing.T, policy string) string {
	t.Helper()
	var d struct {
		Limits []struct {
			Limit string `json:"limit"`
		} `json:"limits"`
	}
	a.must(t, http.MethodPost, "/v1/check", `{"policy":"`+policy+`","key":"probe","cost":0}`, &d)
	texts := make([]string, len(d.Limits))
	for i, l := range d.Limits {
		texts[i] = l.Limit
	}
	return strings.Join(texts, ", ")
}

// waitFor returns how long it took until the condition held, and fails the test where that is longer than within.
func waitFor(t *testing.T, within time.Duration, what string, holds func() bool) time.Duration {
	t.Helper()
	for begun := time.Now(); ; time.Sleep(2 * time.Millisecond) {
		asked := time.Since(begun)
		if holds() {
			return asked
		}
		if asked > within {
			t.Fatalf("%s: not within %s", what, within)
		}
	}
}
