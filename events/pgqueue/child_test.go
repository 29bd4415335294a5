package pgqueue_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/events/pgqueue"
)

// The test binary runs itself as a consumer that is going to be killed.
const (
	childDatabase = "PGQUEUE_TEST_CHILD_DATABASE"
	childQueue    = "killed"
)

// runChild consumes without acking and prints every message's UUID, until it is killed.
func runChild() int {
	if err := consumeUntilKilled(); err != nil {
		fmt.Fprintln(os.Stderr, "child:", err)
		return 1
	}
	return 0
}

func consumeUntilKilled() error {
	conn, err := pgx.ParseConfig(os.Getenv("DATABASE_ADMIN_URL"))
	if err != nil {
		return err
	}
	conn.Database = os.Getenv(childDatabase)
	pool, err := newPool(conn)
	if err != nil {
		return err
	}
	transport, err := pgqueue.Open(context.Background(), pool, events.DefaultTopology(), zerolog.New(os.Stderr))
	if err != nil {
		return err
	}
	deliveries, err := transport.Subscribe(context.Background(), childQueue)
	if err != nil {
		return err
	}
	for msg := range deliveries {
		fmt.Println(msg.UUID)
	}
	return nil
}

// Invariant 1: what a killed process had in its hands comes again, soon, and in order.
func TestKilledConsumerLosesNothing(t *testing.T) {
	t.Parallel()
	database := cluster.database(t)
	transport := openOn(t, cluster.pool(t, database), topologyFor(t))
	sent := make([]string, 50)
	for i := range sent {
		sent[i] = uuid.NewString()
		require.NoError(t, transport.Publish(childQueue, message.NewMessage(sent[i], []byte(strconv.Itoa(i)))))
	}

	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), childDatabase+"="+database)
	child.Stderr = os.Stderr
	output, err := child.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	taken := bufio.NewScanner(output)
	for _, id := range sent {
		require.True(t, taken.Scan())
		require.Equal(t, id, taken.Text())
	}

	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	deliveries, err := transport.Subscribe(ctx, childQueue)
	require.NoError(t, err)
	require.NoError(t, child.Process.Kill())
	killed := time.Now()
	require.Error(t, child.Wait())
	for _, id := range sent {
		msg, open := <-deliveries
		require.True(t, open, "messages are missing")
		require.Equal(t, id, msg.UUID)
		msg.Ack()
	}
	took := time.Since(killed)
	t.Logf("all there again after %v", took)
	require.Less(t, took, 5*time.Second)
}
