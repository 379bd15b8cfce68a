package main

import (
	"net"
	"os"
	"strings"
	"testing"
)

func TestServerIsPrivateAndEnds(t *testing.T) {
	a, err := startRedis(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b, err := startRedis(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if a.addr == b.addr || a.version == "" {
		t.Errorf("two servers of version %q on %s and %s, want a version and two addresses", a.version, a.addr, b.addr)
	}
	for _, s := range []*server{a, b} {
		s.stop()
		if conn, err := net.Dial("tcp", s.addr); err == nil {
			conn.Close()
			t.Errorf("the server on %s answers after its end", s.addr)
		}
		if _, err := os.Stat(s.dir); !os.IsNotExist(err) {
			t.Errorf("the server's directory is still there: %v", err)
		}
	}
}

func TestMissingServerSaysWhatToInstall(t *testing.T) {
	t.Setenv("SLUICE_REDIS_SERVER", "no-such-redis-server")
	_, err := startRedis(t.Context())
	if err == nil || !strings.Contains(err.Error(), "apt-get install redis-server") || !strings.Contains(err.Error(), "no-such-redis-server") {
		t.Errorf("startRedis without a binary = %v, want how to install one", err)
	}
}
