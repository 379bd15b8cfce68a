package main

import (
	"context"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestEnvoyMessage(t *testing.T) {
	// domain: "api" descriptors { entries { key: "user" value: "k1" } }
	const want = "0000000013" + "0a03617069" + "120c" + "0a0a" + "0a0475736572" + "12026b31"
	if got := hex.EncodeToString(envoyMessage("k1")); got != want {
		t.Errorf("message %s, want %s", got, want)
	}
}

func TestReadEnvoy(t *testing.T) {
	const limit = "1204" + "08051004" // requests_per_unit: 5 unit: DAY
	for name, test := range map[string]struct {
		frame   string
		allowed bool
		left    int64
		fault   bool
	}{
		"allowed":              {"000000000e" + "0801" + "120a" + "0801" + limit + "1803", true, 3, false},
		"refused":              {"000000000c" + "0802" + "1208" + "0802" + limit, false, 0, false},
		"no limit":             {"0000000006" + "0801" + "1202" + "0801", false, 0, true},
		"no status":            {"0000000002" + "0801", false, 0, true},
		"other code in status": {"000000000c" + "0801" + "1208" + "0802" + limit, false, 0, true},
		"cut off":              {"000000000e" + "0801" + "120a" + "0801" + limit, false, 0, true},
		"cut off inside":       {"0000000003" + "0801" + "12", false, 0, true},
		"too long inside":      {"0000000004" + "0801" + "127f", false, 0, true},
		"a fixed number":       {"0000000004" + "0801" + "0900", false, 0, true},
		"compressed":           {"010000000c" + "0802" + "1208" + "0802" + limit, false, 0, true},
		"nothing":              {"", false, 0, true},
	} {
		frame, err := hex.DecodeString(test.frame)
		if err != nil {
			t.Fatal(err)
		}
		allowed, left, err := readEnvoy(frame)
		if allowed != test.allowed || left != test.left || (err != nil) != test.fault {
			t.Errorf("%s: readEnvoy = %t, %d, %v, want %t, %d and an error: %t", name, allowed, left, err, test.allowed, test.left, test.fault)
		}
	}
}

func TestReadH2load(t *testing.T) {
	const text = `starting benchmark...

finished in 1.00s, 81234.50 req/s, 10.12MB/s
requests: 81362 total, 81490 started, 81234 done, 81230 succeeded, 4 failed, 0 errored, 0 timeout
status codes: 81230 2xx, 0 3xx, 0 4xx, 4 5xx
`
	perSecond, done, failed, err := readH2load(text)
	if err != nil || perSecond != 81234.5 || done != 81234 || failed != 4 {
		t.Errorf("readH2load = %v, %d, %d, %v, want 81234.5, 81234, 4", perSecond, done, failed, err)
	}
	for _, bad := range []string{"", "Could not connect", strings.Replace(text, "81234 done", "0 done", 1)} {
		if _, _, _, err := readH2load(bad); err == nil {
			t.Errorf("readH2load(%q) has no error", bad)
		}
	}
}

func TestAskEnvoy(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.Method != http.MethodPost || r.URL.Path != shouldRateLimit || r.ProtoMajor != 2 ||
			r.Header.Get("Content-Type") != "application/grpc" || r.Header.Get("TE") != "trailers" {
			t.Errorf("asked by %s %s %s %v (%v), want gRPC", r.Proto, r.Method, r.URL, r.Header, err)
		}
		if strings.Contains(string(body), "down") {
			w.Header().Set(http.TrailerPrefix+"Grpc-Status", "14")
			return
		}
		frame, _ := hex.DecodeString("000000000e" + "0801" + "120a" + "0801" + "1204" + "08051004" + "1803")
		_, _ = w.Write(frame)
		w.Header().Set(http.TrailerPrefix+"Grpc-Status", "0")
	}))
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Start()
	defer server.Close()
	s := &scope{}
	ask := s.askEnvoy(strings.TrimPrefix(server.URL, "http://"))
	if allowed, err := ask(context.Background(), "k1"); err != nil || !allowed {
		t.Errorf("ask = %t, %v, want allowed", allowed, err)
	}
	if _, err := ask(context.Background(), "down"); err == nil || !strings.Contains(err.Error(), `status "14"`) {
		t.Errorf("ask of a server that fails gives %v, want its status", err)
	}
}
