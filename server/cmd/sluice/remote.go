package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/server/httpapi"
)

// remote asks a server.
type remote struct {
	base   string // without a '/' at its end
	where  string // the base without user and password
	remedy string // what helps where no server answers
	client http.Client
	token  string      // that it is shown; "" for none
	secure *tls.Config // of its connections; nil for the usual one
	// passing says that the server holds what was changed in its memory only, so that it ends with the process.
	passing bool
}

func newRemote(base string) (*remote, error) {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("--server: %.64q is no URL of a server; it must be as http://127.0.0.1:8080", withoutUser(base))
	}
	base = strings.TrimRight(base, "/")
	return &remote{
		base: base, where: withoutUser(base), remedy: `start a server by "sluice serve", or give --server URL`,
		client: http.Client{Timeout: 10 * time.Second},
	}, nil
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
	var d httpapi.Decision
	content, err := json.Marshal(body)
	if err != nil {
		return d, fmt.Errorf("the question is no JSON text in UTF-8: %w", err)
	}
	answer, err := r.do(ctx, request{method: http.MethodPost, path: checkPath, body: content}, http.StatusOK)
	if err != nil {
		return d, err
	}
	return d, r.read(answer, &d, decisionMembers...)
}

// checkPath is the path of the one call here that is no administration.
const checkPath = "/v1/check"

// decisionMembers are members that every decision has.
var decisionMembers = []string{"allowed", "limits", "source"}

func (r *remote) peek(ctx context.Context, q question) (httpapi.KeyState, error) {
	var s httpapi.KeyState
	path, err := keyPath(q, "")
	if err != nil {
		return s, err
	}
	answer, err := r.do(ctx, request{path: path + "&cost=" + strconv.FormatInt(q.cost, 10)}, http.StatusOK)
	if err != nil {
		return s, err
	}
	return s, r.read(answer, &s, decisionMembers...)
}

func (r *remote) reset(ctx context.Context, q question) error {
	return r.forget(ctx, q, "")
}

func (r *remote) block(ctx context.Context, q question, b sluice.Bar) (blocked, error) {
	body := map[string]any{"for_ms": milliseconds(b.For)}
	if b.Reason != "" {
		body["reason"] = b.Reason
	}
	var set blocked
	answer, err := r.amend(ctx, q, "/block", body)
	if err != nil {
		return set, err
	}
	return set, r.read(answer, &set, "blocked")
}

func (r *remote) unblock(ctx context.Context, q question) error {
	return r.forget(ctx, q, "/block")
}

func (r *remote) ends() bool { return r.passing }

func (r *remote) close() { r.client.CloseIdleConnections() }

// amend puts what is under a name of a key, such as "/block".
func (r *remote) amend(ctx context.Context, q question, under string, body any) (reply, error) {
	path, err := keyPath(q, under)
	if err != nil {
		return reply{}, err
	}
	content, err := json.Marshal(body)
	if err != nil {
		return reply{}, fmt.Errorf("what is to be set is no JSON text in UTF-8: %w", err)
	}
	return r.do(ctx, request{method: http.MethodPut, path: path, body: content}, http.StatusOK)
}

// forget deletes what is under a name of a key; under "" are its counters.
func (r *remote) forget(ctx context.Context, q question, under string) error {
	path, err := keyPath(q, under)
	if err != nil {
		return err
	}
	_, err = r.do(ctx, request{method: http.MethodDelete, path: path}, http.StatusNoContent)
	return err
}

// keyPath returns the path of the key that a question is about, or of what is under a name of it.
func keyPath(q question, under string) (string, error) {
	if q.policy == "" {
		return "", errors.New("a server tells nothing of limits that callers bring: ask the store, by --store URL")
	}
	return "/v1/policies/" + url.PathEscape(q.policy) + "/key" + under + "?key=" + url.QueryEscape(q.key), nil
}

// request is a call of a server.
type request struct {
	method string // GET where it is empty
	path   string // with the query
	body   []byte // JSON; nil where there is none
	meant  meantRevision
}

// meantRevision is the one that a change is for: "" is every one, "*" every one if there is any, "0" none yet.
type meantRevision string

// header adds the fields that say so.
func (m meantRevision) header(h http.Header) {
	switch m {
	case "":
	case "0":
		h.Set("If-None-Match", "*")
	case "*":
		h.Set("If-Match", "*")
	default:
		h.Set("If-Match", `"`+string(m)+`"`)
	}
}

// reply is the answer of a server that did what it was asked.
type reply struct {
	status   int
	body     []byte
	revision string // of the policy or schedule; "" where the server knows none
}

// maxReply is the longest answer that is read, in bytes: more than a page of the longest keys has, and all policies.
const maxReply = 64 << 20

// do asks, and returns the answer if its status is one of success. The error of a change that was meant for another
// revision is a [*httpapi.Problem] with the status 412.
func (r *remote) do(ctx context.Context, q request, success ...int) (reply, error) {
	request, err := http.NewRequestWithContext(ctx, q.method, r.base+q.path, bytes.NewReader(q.body))
	if err != nil {
		return reply{}, err
	}
	if q.body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	q.meant.header(request.Header)
	showToken(request, r.token)
	response, err := r.client.Do(request)
	if err != nil {
		return reply{}, fmt.Errorf("ask %s: %w; %s", r.where, unwrapURL(err), r.remedy)
	}
	defer response.Body.Close() //nolint:errcheck // it has been read
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxReply))
	if err != nil {
		return reply{}, fmt.Errorf("ask %s: %w", r.where, err)
	}
	if slices.Contains(success, response.StatusCode) {
		persistence := response.Header.Get("Sluice-Persistence")
		if persistence == "" && q.path != checkPath { // all other calls answer with it
			return reply{}, fmt.Errorf("%s answers without saying how long it keeps things; see that it is a Sluice server of this version", r.where)
		}
		r.passing = persistence == "process"
		return reply{response.StatusCode, answer, strings.Trim(response.Header.Get("ETag"), `"`)}, nil
	}
	var problem httpapi.Problem
	if err := json.Unmarshal(answer, &problem); err != nil || problem.Detail == "" {
		return reply{}, fmt.Errorf("%s answers %s; see that it is a Sluice server", r.where, response.Status)
	}
	if problem.Status == http.StatusUnauthorized && r.token == "" {
		problem.Detail = fmt.Sprintf("%s needs a token: put it into SLUICE_TOKEN, or its file into SLUICE_TOKEN_FILE or --token-file", r.where)
	}
	return reply{}, &problem
}

// read reads the JSON object of an answer, which must have some members: what is no Sluice server may answer anything.
func (r *remote) read(answer reply, into any, members ...string) error {
	var object map[string]jsontext.Value
	err := json.Unmarshal(answer.body, &object, jsontext.AllowInvalidUTF8(true))
	for _, m := range members {
		if err == nil && object[m] == nil {
			err = fmt.Errorf("%s is missing", m)
		}
	}
	if err == nil {
		err = json.Unmarshal(answer.body, into, jsontext.AllowInvalidUTF8(true))
	}
	if err != nil {
		return fmt.Errorf("%s answers something else than was asked; see that it is a Sluice server: %w", r.where, err)
	}
	return nil
}

// unwrapURL returns the error without the method and the URL, which holds the key.
func unwrapURL(err error) error {
	if wrapped := (*url.Error)(nil); errors.As(err, &wrapped) {
		return wrapped.Err
	}
	return err
}
