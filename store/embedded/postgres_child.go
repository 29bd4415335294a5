package embedded

import (
	"bytes"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"time"
)

const (
	// outputBytes of a program's last output go into its error.
	outputBytes = 2 << 10
	// outputWait bounds how long the log of a program is read after it has ended: its children may hold it open.
	outputWait = 5 * time.Second
)

// child is a running program of PostgreSQL.
type child struct {
	pid    int
	output *tail
	cmd    *exec.Cmd
	done   chan struct{} // closed when it has ended
	err    error         // how; to be read after done
}

// spawn starts a program as the cluster's user, in a process group of its own: a terminal's Ctrl-C is for us, and we stop
// the server in order. Where the system can do that, the program gets an interrupt when this process dies.
func (c cluster) spawn(stdin io.Reader, log io.Writer, program string, args ...string) (*child, error) {
	ch := &child{output: &tail{next: log}, done: make(chan struct{})}
	cmd := exec.Command(filepath.Join(c.bin, program), args...)
	cmd.Dir = "/" // ours may be closed to the cluster's user
	// Neither our secrets nor PGDATA, PGOPTIONS and the like.
	cmd.Env = []string{"PATH=" + c.bin + ":/usr/bin:/bin", "LC_ALL=C", "TZ=UTC"}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, ch.output, ch.output
	cmd.WaitDelay = outputWait
	cmd.SysProcAttr = processAttributes()
	if c.user != nil {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: c.user.uid, Gid: c.user.gid}
	}
	ch.cmd = cmd
	started := make(chan error)
	go ch.supervise(started)
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", program, err)
	}
	return ch, nil
}

// supervise starts the program and waits for it on one thread: the signal for the parent's death is sent when the thread
// that started the program ends, and Go ends idle threads.
func (ch *child) supervise(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := ch.cmd.Start()
	if err == nil {
		ch.pid = ch.cmd.Process.Pid
	}
	started <- err
	if err != nil {
		return
	}
	ch.err = ch.cmd.Wait()
	close(ch.done)
}

// signal does nothing when the program has ended.
func (ch *child) signal(signal syscall.Signal) {
	_ = ch.cmd.Process.Signal(signal)
}

// kill ends the program and waits for that. A server's other processes notice and end by themselves.
func (ch *child) kill() {
	ch.signal(syscall.SIGKILL)
	<-ch.done
}

// tail passes output on and remembers the end of it. A log that fails is no reason to stop the server: its errors are
// dropped.
type tail struct {
	next io.Writer

	mu   sync.Mutex
	last []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	t.last = append(t.last, p...)
	if over := len(t.last) - outputBytes; over > 0 {
		t.last = append(t.last[:0], t.last[over:]...)
	}
	t.mu.Unlock()
	_, _ = t.next.Write(p)
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(bytes.TrimSpace(t.last))
}
