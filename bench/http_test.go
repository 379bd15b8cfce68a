package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// TestAsksOverHTTP asks a server that answers what it is told, and looks at what it was asked.
func TestAsksOverHTTP(t *testing.T) {
	keys := makeKeys(2).each(1)
	const yes, no = `{"allowed":true,"source":"store"}`, `{"allowed":false,"source":"store"}`
	const ok, over = `{"code": "OK","currentLimit":{}}`, `{"code":"OVER_LIMIT"}`
	for name, test := range map[string]struct {
		ask     func(server string, batch int) ask
		batch   int
		path    string
		keys    func(body map[string]any) []any // that it was asked for
		status  int
		answer  string
		allowed bool
		fault   string // in the error, "" for none
	}{
		"sluice allows":              {askSluice, 1, "/v1/check", oneKey, 200, yes, true, ""},
		"sluice refuses":             {askSluice, 1, "/v1/check", oneKey, 200, no, false, ""},
		"sluice without its store":   {askSluice, 1, "/v1/check", oneKey, 200, `{"allowed":true,"source":"error-policy"}`, false, "decided 0 of 1"},
		"sluice fails":               {askSluice, 1, "/v1/check", oneKey, 503, `{"type":"unavailable"}`, false, "status 503"},
		"sluice allows all":          {askSluice, 2, "/v1/checks", checkKeys, 200, `{"decisions":[` + yes + "," + yes + "]}", true, ""},
		"sluice allows one of two":   {askSluice, 2, "/v1/checks", checkKeys, 200, `{"decisions":[` + yes + "," + no + "]}", false, "1 of a batch of 2"},
		"sluice decides one of two":  {askSluice, 2, "/v1/checks", checkKeys, 200, `{"decisions":[` + yes + `,{"error":{}}]}`, false, "decided 1 of 2"},
		"ratelimit allows":           {askRatelimit, 1, "/json", entryKeys, 200, `{"overallCode":"OK","statuses":[` + ok + "]}", true, ""},
		"ratelimit refuses":          {askRatelimit, 1, "/json", entryKeys, 429, `{"overallCode":"OVER_LIMIT","statuses":[` + over + "]}", false, ""},
		"ratelimit fails":            {askRatelimit, 1, "/json", entryKeys, 500, "Internal Server Error", false, "status 500"},
		"ratelimit refuses both":     {askRatelimit, 2, "/json", entryKeys, 429, `{"overallCode":"OVER_LIMIT","statuses":[` + over + "," + over + "]}", false, ""},
		"ratelimit allows one of 2":  {askRatelimit, 2, "/json", entryKeys, 429, `{"overallCode":"OVER_LIMIT","statuses":[` + over + "," + ok + "]}", false, "1 of a batch of 2"},
		"ratelimit decides one of 2": {askRatelimit, 2, "/json", entryKeys, 200, `{"overallCode":"OK","statuses":[` + ok + "]}", false, "decided 1 of 2"},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			text, err := io.ReadAll(r.Body)
			var body map[string]any
			if err == nil {
				err = json.Unmarshal(text, &body)
			}
			if err != nil || r.Method != http.MethodPost || r.URL.Path != test.path {
				t.Errorf("%s: asked by %s %s %s, %v, want POST %s and JSON", name, r.Method, r.URL, text, err, test.path)
				return
			}
			want := []any{keys[0], keys[1]}[:test.batch]
			if got := test.keys(body); !slices.Equal(got, want) {
				t.Errorf("%s: asked for %v by %s, want %v", name, got, text, want)
			}
			w.WriteHeader(test.status)
			fmt.Fprint(w, test.answer)
		}))
		allowed, err := test.ask(server.URL, test.batch)(t.Context(), keys[0])
		if allowed != test.allowed || (err == nil) != (test.fault == "") || err != nil && !strings.Contains(err.Error(), test.fault) {
			t.Errorf("%s: %t, %v, want %t, %q", name, allowed, err, test.allowed, test.fault)
		}
		server.Close()
	}
}

func oneKey(body map[string]any) []any { return []any{body["key"]} }

func checkKeys(body map[string]any) (all []any) {
	for _, check := range body["checks"].([]any) {
		all = append(all, oneKey(check.(map[string]any))...)
	}
	return all
}

func entryKeys(body map[string]any) (all []any) {
	for _, descriptor := range body["descriptors"].([]any) {
		entry := descriptor.(map[string]any)["entries"].([]any)[0].(map[string]any)
		all = append(all, entry["value"])
	}
	return all
}
