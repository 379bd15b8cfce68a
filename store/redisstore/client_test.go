package redisstore_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/rueidis"
	"github.com/sluice-project/sluice/internal/redistest"
	"github.com/sluice-project/sluice/store/redisstore"
)

func TestClientOption(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		url        string
		addresses  []string
		user, pass string
		db         int
		master     string
		tls        bool
	}{
		{url: "redis://10.0.0.1", addresses: []string{"10.0.0.1:6379"}},
		{url: "redis://u:p%40ss@h:1/3", addresses: []string{"h:1"}, user: "u", pass: "p@ss", db: 3},
		{url: "redis://:p@h:1?db=4", addresses: []string{"h:1"}, pass: "p", db: 4},
		{url: "redis://h:1?addr=i:2&addr=j:3", addresses: []string{"h:1", "i:2", "j:3"}},
		{url: "redis://h:1?master_set=main", addresses: []string{"h:1"}, master: "main"},
		{url: "rediss://h:1", addresses: []string{"h:1"}, tls: true},
		{url: "valkeys://h:1", addresses: []string{"h:1"}, tls: true},
		{url: "unix:///run/redis.sock?db=1", addresses: []string{"/run/redis.sock"}, db: 1},
	} {
		o, err := redisstore.ClientOption(test.url)
		if err != nil {
			t.Errorf("ClientOption(%q): %v", test.url, err)
			continue
		}
		if !cmp.Equal(o.InitAddress, test.addresses) || o.Username != test.user || o.Password != test.pass ||
			o.SelectDB != test.db || o.Sentinel.MasterSet != test.master || (o.TLSConfig != nil) != test.tls {
			t.Errorf("ClientOption(%q) = %v %q %q %d %q, tls %v", test.url, o.InitAddress, o.Username, o.Password, o.SelectDB, o.Sentinel.MasterSet, o.TLSConfig != nil)
		}
		if !o.DisableRetry || o.Dialer.Timeout != time.Second {
			t.Errorf("ClientOption(%q): retry %v, dial timeout %v, want none and 1s", test.url, !o.DisableRetry, o.Dialer.Timeout)
		}
	}
}

// TestSkipHostname connects by a name that the server's certificate is not for.
func TestSkipHostname(t *testing.T) {
	t.Parallel()
	server, other := redistest.Start(t, redistest.Options{TLS: true}), redistest.Start(t, redistest.Options{TLS: true})
	byName := strings.Replace(server.URL(), "127.0.0.1", "localhost", 1)
	for _, test := range []struct{ url, want string }{
		{server.URL() + "?ca_file=" + server.CAFile(), ""},
		{byName + "?ca_file=" + server.CAFile(), "localhost"},
		{byName + "?skip_hostname=false&ca_file=" + server.CAFile(), "localhost"},
		{byName + "?skip_hostname=true&ca_file=" + server.CAFile(), ""},
		{byName + "?skip_hostname=true&ca_file=" + other.CAFile(), "certificate"},
		{byName + "?skip_hostname=true", "certificate"},
		{byName + "?skip_hostname=true&skip_verify=true", ""},
	} {
		option, err := redisstore.ClientOption(test.url)
		if err != nil {
			t.Error(err)
			continue
		}
		client, err := rueidis.NewClient(option)
		if err == nil {
			err = client.Do(t.Context(), client.B().Ping().Build()).Error()
			client.Close()
		}
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("connecting by %s: %v, want %q", test.url, err, test.want)
		}
	}
}

func TestClientOptionErrors(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ url, want string }{
		{"", `begins with "://"`},
		{"localhost:6379", "redis://"},
		{"http://u:secret@h", `begins with "http://"`},
		{"redis://u:secret@h:port/0", "malformed"},
		{"redis://u:secret@h:%zz", "malformed"},
		{"redis://u:secret@h\x7f:1", "malformed"},
		{"redis://u:secret%@h:1", "malformed"},
		{"redis://u:2024/secret@h:1", "an @ behind its host; write"},
		{"redis://u:1234?secret@h:1", "an @ behind its host; write"},
		{"redis://u:secret@h:1/x", `database number: "x"`},
		{"redis://u:secret@h:1/1/2", "path"},
		{"rediss://u:secret@h:1?skip_hostname=maybe", `skip_hostname="maybe"`},
		{"redis://u:secret@h:1?skip_hostname=true", "for rediss:// only"},
		{"redis://u:secret@h:1?timeout=1s", `unknown parameter "timeout"; it may have addr`},
		{"redis://u:secret@h:1?dial_timeout=fast", "dial timeout"},
		{"redis://u:secret@h:1?ca_file=ca.pem", "rediss:// only"},
		{"rediss://u:secret@h:1?ca_file=/does/not/exist", "no such file"},
		{"rediss://u:secret@h:1?cert_file=/does/not/exist", "no such file"},
		{"rediss://u:secret@h:1?ca_file=client_test.go", "no certificate"},
	} {
		_, err := redisstore.ClientOption(test.url)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("ClientOption(%q): %v, want an error with %q", test.url, err, test.want)
			continue
		}
		if strings.Contains(err.Error(), "secret") {
			t.Errorf("ClientOption(%q) shows the password: %v", test.url, err)
		}
	}
}
