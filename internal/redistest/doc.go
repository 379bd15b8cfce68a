// Package redistest starts private redis-servers for tests: single ones, and a real Cluster of three masters. They
// listen on free loopback ports, keep nothing on disk and end with the test that asked for them, on Linux even when the
// test binary is killed.
//
// A test that needs Redis never skips: where no redis-server is installed it fails and says which command installs one.
// SLUICE_REDIS_SERVER names another binary, such as a valkey-server, to run the same tests on.
//
// The package needs no redis-cli and no client library: it imports the standard library only. It touches no process
// that it did not start.
package redistest
