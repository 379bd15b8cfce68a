package environment_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/sluice-project/sluice/server/envoyrls/environment"
)

// FuzzRead reads any variables, in lines NAME=VALUE. They are settings, or an error that names a variable; and a store
// that is said is the URL of an address.
func FuzzRead(f *testing.F) {
	for _, seed := range []string{
		"", "REDIS_URL=!0", "REDIS_SOCKET_TYPE=tcp\nREDIS_URL=h:1\nREDIS_AUTH=u:open-sesame\nREDIS_TLS=true\nREDIS_TLS_CACERT=/ca",
		"REDIS_TYPE=sentinel\nREDIS_URL=main,h:1,h:2\nREDIS_SENTINEL_AUTH=open-sesame", "REDIS_TYPE=cluster\nREDIS_URL=redis://u:open-sesame@h:1/2,redis://i:2",
		"REDIS_URL=redis://%zz", "REDIS_SOCKET_TYPE=tcp\nREDIS_URL=[::1\nREDIS_AUTH=:", "PORT=x\nHOST=::1\nDEBUG_PORT=-1", "NEAR_LIMIT_RATIO=NaN", "LOG_LEVEL=x",
		"USE_PROMETHEUS=1\nPROMETHEUS_PATH=x", "GRPC_MAX_CONNECTION_AGE=-1s", "CACHE_KEY_PREFIX={", "REDIS_TIMEOUT=9999999h", "RUNTIME_ROOT=\x00",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		settings, err := environment.Read(lookup(strings.Split(text, "\n")...))
		if err != nil {
			if strings.TrimSpace(err.Error()) == "" {
				t.Errorf("Read of %q has an error without a text", text)
			}
			return
		}
		if settings.File == nil || settings.File.Store == "" {
			t.Fatalf("Read of %q has no store", text)
		}
		if u, err := url.Parse(settings.File.Store); err != nil || u.Host == "" && !strings.HasPrefix(u.Path, "/") {
			t.Errorf("Read of %q accepts the store %q, which is no address: %v", text, settings.File.Store, err)
		}
	})
}
