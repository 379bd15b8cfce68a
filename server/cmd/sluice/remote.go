package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"

	"github.com/sluice-project/sluice/server/httpapi"
)

// remote asks a server.
type remote struct {
	base   string // without a '/' at its end
	where  string // the base without user and password
	client http.Client
}

func newRemote(base string) (*remote, error) {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("--server: %.64q is no URL of a server; it must be as http://127.0.0.1:8080", withoutUser(base))
	}
	base = strings.TrimRight(base, "/")
	return &remote{base: base, where: withoutUser(base), client: http.Client{Timeout: 10 * time.Second}}, nil
}

// withoutUser returns a URL, or what should be one, without what stands before its last '@': user and password.
func withoutUser(address string) string {
	at := strings.LastIndexByte(address, '@')
	if at < 0 {
		return address
	}
	scheme, _, found := strings.Cut(address[:at], "://")
	if !found {
		return address[at+1:]
	}
	return scheme + "://" + address[at+1:]
}

func (r *remote) check(ctx context.Context, q question) (httpapi.Decision, error) {
	body := map[string]any{"cost": q.cost}
	if utf8.ValidString(q.key) {
		body["key"] = q.key
	} else {
		body["key_base64"] = []byte(q.key)
	}
	if len(q.limits) == 0 {
		body["policy"] = q.policy
	} else {
		body["limits"] = q.limits
	}
	if q.namespace != "" {
		body["namespace"] = q.namespace
	}
	content, err := json.Marshal(body)
	if err != nil {
		return httpapi.Decision{}, fmt.Errorf("the question is no JSON text in UTF-8: %w", err)
	}
	return r.decide(ctx, http.MethodPost, "/v1/check", content)
}

func (r *remote) peek(ctx context.Context, q question) (httpapi.Decision, error) {
	path, err := keyPath(q)
	if err != nil {
		return httpapi.Decision{}, err
	}
	return r.decide(ctx, http.MethodGet, path+"&cost="+strconv.FormatInt(q.cost, 10), nil)
}

func (r *remote) reset(ctx context.Context, q question) error {
	path, err := keyPath(q)
	if err != nil {
		return err
	}
	_, err = r.do(ctx, http.MethodDelete, path, nil, http.StatusNoContent)
	return err
}

func (r *remote) close() { r.client.CloseIdleConnections() }

// keyPath returns the path of the key that a question is about.
func keyPath(q question) (string, error) {
	if q.policy == "" {
		return "", errors.New("a server tells nothing of limits that callers bring: ask the store, by --store URL")
	}
	return "/v1/policies/" + url.PathEscape(q.policy) + "/key?key=" + url.QueryEscape(q.key), nil
}

func (r *remote) decide(ctx context.Context, method, path string, body []byte) (d httpapi.Decision, err error) {
	answer, err := r.do(ctx, method, path, body, http.StatusOK)
	if err != nil {
		return d, err
	}
	if err := json.Unmarshal(answer, &d); err != nil {
		return d, fmt.Errorf("%s answers no decision; see that it is a Sluice server: %w", r.where, err)
	}
	if d.Source == "" || d.Limits == nil { // every decision has both
		return d, fmt.Errorf("%s answers JSON that is no decision; see that it is a Sluice server", r.where)
	}
	return d, nil
}

// do returns the body of an answer with the status of success.
func (r *remote) do(ctx context.Context, method, path string, body []byte, success int) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, method, r.base+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := r.client.Do(request)
	if err != nil {
		return nil, fmt.Errorf(`ask %s: %w; start a server by "sluice serve", or give --server URL or --store URL`, r.where, unwrapURL(err))
	}
	defer response.Body.Close() //nolint:errcheck // it has been read
	answer, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", r.where, err)
	}
	if response.StatusCode == success {
		return answer, nil
	}
	var problem httpapi.Problem
	if err := json.Unmarshal(answer, &problem); err != nil || problem.Detail == "" {
		return nil, fmt.Errorf("%s answers %s; see that it is a Sluice server", r.where, response.Status)
	}
	return nil, &problem
}

// unwrapURL returns the error without the method and the URL, which holds the key.
func unwrapURL(err error) error {
	if wrapped := (*url.Error)(nil); errors.As(err, &wrapped) {
		return wrapped.Err
	}
	return err
}
