package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/minio/minio-go/v7"
	pb "github.com/qdrant/go-client/qdrant"
	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/workers/tenancy"
)

// withUsers has tenants get users of their own at the broker. Whoever creates one deletes its tenant.
func (w *world) withUsers() {
	w.env = append(w.env, "RABBITMQ_MANAGEMENT_URL="+required(w.t, "RABBITMQ_MANAGEMENT_URL").String(), "REOS_ACTOR=ann")
}

// feed publishes homes of a tenant under keys that begin with prefix.
func (w *world) feed(tenant uuid.UUID, prefix string, homes int) {
	w.t.Helper()
	var lines bytes.Buffer
	for i := range homes {
		fmt.Fprintln(&lines, strings.ReplaceAll(fmt.Sprintf(goodHome, fmt.Sprintf("%s-%05d", prefix, i)), "\n", ""))
	}
	path := filepath.Join(w.t.TempDir(), "homes.ndjson")
	require.NoError(w.t, os.WriteFile(path, lines.Bytes(), 0o600))
	w.ok("publish", path, "--tenant", tenant.String())
}

// publishAs publishes one message to the intake with credentials of a tenant's own, and returns what the broker says.
func (w *world) publishAs(url string, tenant uuid.UUID) error {
	conn, err := amqp.Dial(url)
	if err != nil {
		return err
	}
	defer conn.Close()
	channel, err := conn.Channel()
	require.NoError(w.t, err)
	require.NoError(w.t, channel.Confirm(false))
	closed := channel.NotifyClose(make(chan *amqp.Error, 1))
	confirm, err := channel.PublishWithDeferredConfirm(w.topology.Intake(), tenant.String()+".reos.property.upserted.v1", true, false,
		amqp.Publishing{DeliveryMode: amqp.Persistent, MessageId: uuid.NewString(), Body: []byte("no event " + uuid.NewString())})
	require.NoError(w.t, err)
	select {
	case <-confirm.Done():
		if !confirm.Acked() {
			return errors.New("nacked")
		}
		return nil
	case refusal := <-closed:
		return refusal
	}
}

// requireNothingOf looks at every store from behind: nothing may be left of a tenant, not even what nobody thought of.
func (w *world) requireNothingOf(tenant uuid.UUID) {
	w.t.Helper()
	conn, err := pgx.Connect(context.Background(), w.admin)
	require.NoError(w.t, err)
	defer conn.Close(context.Background())
	rows, err := conn.Query(context.Background(), `
		SELECT c.oid::regclass::text FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
		WHERE c.relkind IN ('r', 'p') AND c.relname <> 'audit'`)
	require.NoError(w.t, err)
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(w.t, err)
	require.Greater(w.t, len(tables), 14)
	for _, table := range tables {
		require.Zero(w.t, w.number("SELECT count(*) FROM "+table+" WHERE tenant_id = $1", tenant), table)
	}
	_, api, collection := w.behind()
	count, err := api.Count(context.Background(), &pb.CountPoints{
		CollectionName: collection, Exact: pb.PtrOf(true),
		Filter: &pb.Filter{Must: []*pb.Condition{pb.NewMatchKeyword("tenant_id", tenant.String())}},
	})
	require.NoError(w.t, err)
	require.Zero(w.t, count, "points")
	client, bucket := w.bucket()
	for object := range client.ListObjects(context.Background(), bucket, minio.ListObjectsOptions{Prefix: tenant.String(), Recursive: true}) {
		require.Fail(w.t, "an object is left", object.Key)
	}
	for upload := range client.ListIncompleteUploads(context.Background(), bucket, tenant.String(), true) {
		require.Fail(w.t, "an upload is left", upload.Key)
	}
	for _, queue := range w.topology.HeldQueues(tenant) {
		channel, done := w.channel()
		_, err := channel.QueueDeclarePassive(queue, true, false, false, false, nil)
		require.Error(w.t, err, queue)
		done()
	}
}

// requireHarmless makes sure that a tenant has all of its homes, and nothing died.
func (w *world) requireHarmless(tenant uuid.UUID, homes int) {
	w.t.Helper()
	w.awaitNumber(homes, "SELECT count(*) FROM progress WHERE tenant_id = $1 AND outcome = 'done'", tenant)
	require.Equal(w.t, homes, w.number("SELECT count(*) FROM index_entries WHERE tenant_id = $1 AND present", tenant))
	require.Zero(w.t, w.number("SELECT count(*) FROM dead_letters WHERE tenant_id = $1", tenant))
}

type shownTenant struct {
	Tenant struct {
		State, Name string
		StateBy     string `json:"state_by"`
		StateWhy    string `json:"state_why"`
		BrokerUser  bool   `json:"broker_user"`
	}
	Events int
	Held   map[string]int
	Pauses []struct{ Stage, By, Why string }
}

// A tenant is created, works, is suspended, resumed and exported, and is deleted with its events still in the queues.
func TestATenantsWholeLife(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.withUsers()
	neighbour := w.tenant
	var created struct {
		ID          uuid.UUID
		BrokerUser  bool `json:"broker_user"`
		Credentials struct{ User, URL string }
	}
	w.okJSON(&created, "tenant", "create", "globex", "--why", "signed")
	require.True(t, created.BrokerUser)
	tenant, login := created.ID, created.Credentials.URL
	all := w.start("worker", "all")
	homes := 300
	w.feed(tenant, "A", homes)
	w.feed(neighbour, "A", homes)
	require.NoError(t, w.publishAs(login, tenant))
	require.Error(t, w.publishAs(login, neighbour), "a foreign key")
	w.awaitNumber(1, "SELECT count(*) FROM dead_letters WHERE tenant_id = $1", tenant) // it was no event
	w.awaitNumber(homes, "SELECT count(*) FROM progress WHERE tenant_id = $1 AND outcome = 'done'", tenant)

	// Suspended: what comes waits, and is not lost.
	_, _, code := w.reos("tenant", "suspend", "globex")
	require.Equal(t, exitInput, code, "without a reason")
	var change struct{ Changed bool }
	for _, first := range []bool{true, false} {
		w.okJSON(&change, "tenant", "suspend", "globex", "--why", "invoice")
		require.Equal(t, first, change.Changed)
	}
	all.awaitMetric(`reos_pauses{by="operator",stage="ingestion"}`, func(n float64) bool { return n == 1 })
	w.feed(tenant, "B", 50)
	var shown shownTenant
	held := w.topology.HeldQueue(events.Ingestion, tenant)
	require.Eventually(t, func() bool {
		w.okJSON(&shown, "tenant", "show", "globex")
		return shown.Held[held] == 50
	}, time.Minute, 100*time.Millisecond)
	require.Equal(t, "suspended", shown.Tenant.State)
	require.Equal(t, []string{"ann", "invoice"}, []string{shown.Tenant.StateBy, shown.Tenant.StateWhy})
	require.Equal(t, homes, shown.Events)
	require.Len(t, shown.Pauses, 1)
	require.Error(t, w.publishAs(login, tenant), "its user may not publish")
	_, _, code = w.reos("pipeline", "resume", "--tenant", "globex")
	require.Equal(t, exitOK, code)
	w.okJSON(&shown, "tenant", "show", "globex")
	require.Equal(t, 50, shown.Held[held], "a suspension is not a pause that anybody resumes")
	require.Contains(t, w.ok("tenant", "list"), "suspended since")
	require.Contains(t, w.ok("status"), "invoice")

	for _, first := range []bool{true, false} {
		w.okJSON(&change, "tenant", "resume", "globex", "--why", "paid")
		require.Equal(t, first, change.Changed)
	}
	w.awaitNumber(homes+50, "SELECT count(*) FROM progress WHERE tenant_id = $1 AND outcome = 'done'", tenant)
	require.NoError(t, w.publishAs(login, tenant))
	var renewed struct{ Credentials struct{ URL string } }
	w.okJSON(&renewed, "tenant", "credentials", "globex")
	require.Error(t, w.publishAs(login, tenant), "the old password")
	require.NoError(t, w.publishAs(renewed.Credentials.URL, tenant))
	w.awaitNumber(3, "SELECT count(*) FROM dead_letters WHERE tenant_id = $1", tenant)
	w.requireExport(tenant, homes+50)

	// Deleted under load.
	w.strayObjects(tenant)
	w.feed(tenant, "C", 2000)
	w.feed(neighbour, "C", 500)
	_, _, code = w.reos("tenant", "delete", "globex")
	require.Equal(t, exitInput, code, "nobody said yes")
	var erased store.Erasure
	w.okJSON(&erased, "tenant", "delete", "globex", "--yes", "--settle", "1s", "--why", "contract ended")
	require.True(t, erased.Complete)
	require.Empty(t, erased.Left)
	require.GreaterOrEqual(t, erased.Removed["properties"], homes+50)
	require.GreaterOrEqual(t, erased.Removed["points"], homes+50)
	require.Equal(t, 3, erased.Removed["dead_letters"])
	w.requireNothingOf(tenant)
	w.requireHarmless(neighbour, homes+500)
	require.Error(t, w.publishAs(renewed.Credentials.URL, tenant), "its user is gone")

	// What comes later is kept as unroutable, and the name is free, the id is not.
	w.publisher(tenant)("LATE-1", 1)
	w.awaitNumber(1, "SELECT count(*) FROM dead_letters WHERE reason = 'tenant_unknown'")
	require.Equal(t, uuid.Nil.String(), w.text("SELECT tenant_id::text FROM dead_letters WHERE reason = 'tenant_unknown'"))
	_, _, code = w.reos("tenant", "create", "another", "--id", tenant.String())
	require.Equal(t, exitInput, code)
	w.okJSON(&created, "tenant", "create", "globex")
	w.ok("tenant", "delete", "globex", "--yes", "--settle", "1s")
	for _, verb := range []string{"suspend", "credentials", "lane"} {
		arguments := map[string][]string{"suspend": {"--why", "x"}, "lane": {"b"}}[verb]
		_, stderr, code := w.reos(append([]string{"tenant", verb, tenant.String()}, arguments...)...)
		require.Equal(t, exitInput, code, "%s: %s", verb, stderr)
	}
	var again store.Erasure
	w.okJSON(&again, "tenant", "delete", tenant.String(), "--yes", "--settle", "1s")
	require.True(t, again.Complete, "there is nothing to do")
	require.Empty(t, again.Removed)
	w.requireAudited(tenant)
	all.stop()
	w.requireNothingOf(tenant)
}

// strayObjects puts objects below a tenant's prefix that reos knows nothing of.
func (w *world) strayObjects(tenant uuid.UUID) {
	w.t.Helper()
	client, bucket := w.bucket()
	core := minio.Core{Client: client}
	_, err := client.PutObject(context.Background(), bucket, tenant.String()+"/documents/deed.pdf", strings.NewReader("deed"), 4, minio.PutObjectOptions{})
	require.NoError(w.t, err)
	upload, err := core.NewMultipartUpload(context.Background(), bucket, tenant.String()+"/documents/half", minio.PutObjectOptions{})
	require.NoError(w.t, err)
	_, err = core.PutObjectPart(context.Background(), bucket, tenant.String()+"/documents/half", upload, 1, strings.NewReader("half"), 4, minio.PutObjectPartOptions{})
	require.NoError(w.t, err)
}

// requireAudited makes sure that a tenant's life is in the audit log, which outlives the tenant.
func (w *world) requireAudited(tenant uuid.UUID) {
	w.t.Helper()
	var log struct {
		Entries []struct{ Actor, Action, Subject, Why string }
	}
	w.okJSON(&log, "audit", "list", "--tenant", tenant.String())
	var actions []string
	for _, entry := range log.Entries {
		actions = append(actions, entry.Action)
		require.Equal(w.t, "ann", entry.Actor)
		require.Equal(w.t, "globex", entry.Subject)
	}
	require.Equal(w.t, []string{
		"tenant.erase", "tenant.delete", "tenant.export", "tenant.credentials", "tenant.resume", "tenant.suspend", "tenant.credentials", "tenant.create",
	}, actions)
	require.Equal(w.t, "contract ended", log.Entries[1].Why)

	var head auditHead
	w.okJSON(&head, "audit", "verify")
	w.okJSON(&head, "audit", "verify", "--seen", head.Head)
	w.exec(w.admin, "UPDATE audit SET why = 'nothing' WHERE action = 'tenant.suspend'")
	stdout, _, code := w.reos("audit", "verify")
	require.Equal(w.t, exitBroken, code)
	require.Contains(w.t, stdout, "its content is not what was written")
}

// requireExport exports a tenant and reads the file as its receiver would.
func (w *world) requireExport(tenant uuid.UUID, homes int) {
	w.t.Helper()
	path := filepath.Join(w.t.TempDir(), "export.tar.gz")
	w.ok("tenant", "export", "globex", "-o", path)
	_, _, code := w.reos("tenant", "export", "globex", "-o", path)
	require.Equal(w.t, exitInput, code, "a file that exists is not overwritten")
	file, err := os.Open(path)
	require.NoError(w.t, err)
	defer file.Close()
	unzipped, err := gzip.NewReader(file)
	require.NoError(w.t, err)
	contents, last := map[string][]byte{}, ""
	for archive := tar.NewReader(unzipped); ; {
		header, err := archive.Next()
		if err == io.EOF {
			break
		}
		require.NoError(w.t, err)
		contents[header.Name], err = io.ReadAll(archive)
		require.NoError(w.t, err)
		last = header.Name
	}
	require.Equal(w.t, "manifest.json", last)
	var manifest tenancy.Manifest
	require.NoError(w.t, json.Unmarshal(contents[last], &manifest))
	require.Len(w.t, manifest.Members, len(contents)-1)
	lines := map[string][][]byte{}
	for _, member := range manifest.Members {
		digest := sha256.Sum256(contents[member.Name])
		require.Equal(w.t, hex.EncodeToString(digest[:]), member.SHA256, member.Name)
		if table, ok := strings.CutPrefix(member.Name, "tables/"); ok {
			table = strings.Split(table, "/")[0]
			rows := bytes.Split(bytes.TrimSuffix(contents[member.Name], []byte("\n")), []byte("\n"))
			require.Len(w.t, rows, member.Rows)
			lines[table] = append(lines[table], rows...)
		}
	}
	for table, rows := range manifest.Rows {
		require.Len(w.t, lines[table], rows, table)
		require.Equal(w.t, w.number("SELECT count(*) FROM "+table+" WHERE tenant_id = $1", tenant), rows, table)
		for _, line := range lines[table] {
			var row struct {
				Tenant uuid.UUID `json:"tenant_id"`
			}
			require.NoError(w.t, json.Unmarshal(line, &row), table)
			require.Equal(w.t, tenant, row.Tenant, table)
		}
	}
	require.Equal(w.t, homes, manifest.Rows["properties"])
	require.Equal(w.t, homes, manifest.Rows["embeddings"])
	require.NotContains(w.t, string(lines["embeddings"][0]), `"vector"`)
	var letter struct {
		Payload      string   `json:"payload"`
		HeaderValues []string `json:"header_values"`
	}
	require.NoError(w.t, json.Unmarshal(lines["dead_letters"][0], &letter))
	payload, err := base64.StdEncoding.DecodeString(letter.Payload)
	require.NoError(w.t, err)
	require.Contains(w.t, string(payload), "no event ")
	require.Equal(w.t, w.number("SELECT count(DISTINCT object_key) FROM raw_archive WHERE tenant_id = $1", tenant), manifest.Objects)
}

// A deletion may be killed wherever it is, and waits for workers that are not there: it goes on when it is run again.
func TestADeletionThatIsCutOffGoesOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	neighbour := w.createTenant("globex")
	all := w.start("worker", "all")
	w.feed(w.tenant, "A", 1500)
	w.awaitNumber(1500, "SELECT count(*) FROM progress WHERE tenant_id = $1 AND outcome = 'done'", w.tenant)
	w.strayObjects(w.tenant)
	all.kill()
	w.feed(w.tenant, "B", 300) // nobody takes these
	w.feed(neighbour, "B", 300)

	for range 6 {
		deletion, err := launchReos(t, w.env, "tenant", "delete", w.tenant.String(), "--yes", "--settle", "100ms")
		require.NoError(t, err)
		time.Sleep(time.Duration(30+rand.IntN(400)) * time.Millisecond) // wherever it is by then
		deletion.kill()
	}
	stdout, _, code := w.reos("tenant", "delete", w.tenant.String(), "--yes", "--settle", "100ms", "--timeout", "3s", "--json")
	require.Equal(t, exitEnvironment, code, "without workers the queues do not pass")
	var erased store.Erasure
	require.NoError(t, json.Unmarshal([]byte(stdout), &erased), stdout)
	require.False(t, erased.Complete)
	require.Empty(t, erased.Left, "but everything else is gone")
	var queues []string
	for _, rest := range erased.Queues {
		if rest.Messages > 0 {
			queues = append(queues, rest.Queue)
		}
	}
	require.NotEmpty(t, queues, "the report says where messages of it may be")
	require.Contains(t, w.ok("tenant", "list"), "deleting since")
	_, _, code = w.reos("tenant", "create", tenantName)
	require.Equal(t, exitInput, code, "the name is not free yet")

	all = w.start("worker", "all") // it may not bind the tenant again
	w.okJSON(&erased, "tenant", "delete", tenantName, "--yes", "--settle", "1s")
	require.True(t, erased.Complete)
	w.requireNothingOf(w.tenant)
	w.requireHarmless(neighbour, 300)
	w.publisher(w.tenant)("LATE-1", 1)
	w.awaitNumber(1, "SELECT count(*) FROM dead_letters WHERE reason = 'tenant_unknown'")
	require.Zero(t, w.number("SELECT count(*) FROM dead_letters WHERE reason <> 'tenant_unknown'"), "nothing of it died")
	require.Equal(t, 1, w.number("SELECT count(*) FROM audit WHERE tenant_id = $1 AND action = 'tenant.delete'", w.tenant))
	require.Equal(t, 1, w.number("SELECT count(*) FROM audit WHERE tenant_id = $1 AND action = 'tenant.erase'", w.tenant))
	all.stop()
}
