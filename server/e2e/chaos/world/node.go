//go:build unix

package world

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"
)

// Node is one redis-server: a data node, or a Sentinel. One goroutine at a time may use it.
type Node struct {
	Name string

	port    int
	dir     string
	args    []string
	log     io.Writer
	process *process
	client  *redis.Client
}

// asSentinel and asRedis are what a redis-server can be.
const (
	asRedis    = "redis"
	asSentinel = "sentinel"
)

// newNode starts a redis-server with further settings, as they stand in its file.
func newNode(kind, name, dir string, port int, log io.Writer, more ...string) (*Node, error) {
	n := &Node{Name: name, port: port, dir: filepath.Join(dir, name), log: log}
	if err := os.Mkdir(n.dir, 0o700); err != nil {
		return nil, err
	}
	settings := []string{"port " + strconv.Itoa(port), "bind 127.0.0.1", "dir " + n.dir}
	if kind == asSentinel {
		n.args = []string{"--sentinel"}
	} else {
		settings = append(settings, "daemonize no", `save ""`, "appendonly no", "repl-diskless-sync-delay 0",
			"busy-reply-threshold 100")
	}
	// It is started by a file, because that is where Sentinel has it note what it is to be after a restart.
	file := filepath.Join(n.dir, "redis.conf")
	if err := os.WriteFile(file, []byte(strings.Join(append(settings, more...), "\n")+"\n"), 0o600); err != nil {
		return nil, err
	}
	n.args = append([]string{file}, n.args...)
	const moment = 2 * time.Second
	n.client = redis.NewClient(&redis.Options{
		Addr: address(port), MaxRetries: -1, DialTimeout: moment, ReadTimeout: moment, WriteTimeout: moment, Protocol: 2,
		DisableIdentity: true, PoolSize: 2,
	})
	return n, n.start()
}

// start starts the process, with nothing in it, and waits until it answers.
func (n *Node) start() error {
	binary := os.Getenv("SLUICE_REDIS_SERVER")
	if binary == "" {
		binary = "redis-server"
	}
	path, err := exec.LookPath(binary)
	if err != nil {
		return fmt.Errorf("%w: install redis-server, or name another one in SLUICE_REDIS_SERVER", err)
	}
	if n.process, err = run(exec.Command(path, n.args...), n.log); err != nil {
		return err
	}
	return wait(fmt.Sprintf("%s answers", n.Name), func() bool {
		_, err := n.Do("PING")
		return err == nil || strings.HasPrefix(err.Error(), "LOADING") || strings.HasPrefix(err.Error(), "MASTERDOWN")
	})
}

// Do sends a command and returns the answer.
func (n *Node) Do(args ...any) (any, error) {
	return n.client.Do(context.Background(), args...).Result()
}

// text is the answer to a command as text; "" where there is none.
func (n *Node) text(args ...any) string {
	answer, err := n.Do(args...)
	if err != nil {
		return ""
	}
	return fmt.Sprint(answer)
}

// Kill ends the process as a crash would.
func (n *Node) Kill() { n.process.kill() }

// Restart starts a node again that was killed: with nothing in it, and with the part in its topology that it had.
func (n *Node) Restart() error {
	_ = os.Remove(n.dump()) // what it once had from a master, where there is one
	return n.start()
}

// Freeze stops the process where it is.
func (n *Node) Freeze() error { return n.process.signal(syscall.SIGSTOP) }

// Thaw lets it go on.
func (n *Node) Thaw() error { return n.process.signal(syscall.SIGCONT) }

// Busy has the node run a script that does not end by itself. What is returned says when it has been ended.
func (n *Node) Busy() (ended <-chan error) {
	c := redis.NewClient(&redis.Options{Addr: address(n.port), MaxRetries: -1, ReadTimeout: patience, Protocol: 2, DisableIdentity: true})
	result := make(chan error, 1)
	go func() {
		defer c.Close()
		err := c.Do(context.Background(), "EVAL", "while true do end", 0).Err()
		if err == nil || !strings.Contains(err.Error(), "SCRIPT KILL") {
			result <- fmt.Errorf("%s: a script without end has ended with %v", n.Name, err)
			return
		}
		result <- nil
	}()
	return result
}

// BreakSaving has the node not write its data to disk, and so refuse to take any more.
func (n *Node) BreakSaving() error {
	if _, err := n.Do("CONFIG", "SET", "save", "3600 1000000"); err != nil { // else it would not mind
		return err
	}
	_ = os.Remove(n.dump()) // the copy that a replica has from its master, where there is one
	if err := os.Mkdir(n.dump(), 0o700); err != nil {
		return err
	}
	return n.save("err")
}

// MendSaving undoes that.
func (n *Node) MendSaving() error {
	if err := os.Remove(n.dump()); err != nil {
		return err
	}
	if err := n.save("ok"); err != nil {
		return err
	}
	_, err := n.Do("CONFIG", "SET", "save", "")
	return err
}

func (n *Node) dump() string { return filepath.Join(n.dir, "dump.rdb") }

// save has the node write its data to disk, with a result.
func (n *Node) save(result string) error {
	return wait(n.Name+" has written its data to disk: "+result, func() bool {
		_, _ = n.Do("BGSAVE") // it may be at it
		return strings.Contains(n.text("INFO", "persistence"), "rdb_last_bgsave_status:"+result)
	})
}

// wait waits until something is so.
func wait(what string, so func() bool) error {
	for late := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) { // there is nobody to tell
		if so() {
			return nil
		}
		if time.Now().After(late) {
			return fmt.Errorf("after %s it is not so that %s", patience, what)
		}
	}
}
