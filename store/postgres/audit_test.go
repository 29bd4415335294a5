package postgres_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/store/postgres"
)

func audited(t *testing.T, f fixture, entries int) store.AuditHead {
	t.Helper()
	for i := range entries {
		require.NoError(t, f.db.Platform().Audit(t.Context(), store.AuditEntry{
			Tenant: []uuid.UUID{store.PlatformTenant, f.a, f.b}[i%3], Actor: "ann", Action: store.IndexRepaired,
			Subject: "Łódź \x00\xff", Why: "a,b:c", Details: fmt.Appendf(nil, `{"b": [1.50, "%d"], "a": null}`, i),
		}))
	}
	head, err := f.db.Platform().VerifyAudit(t.Context(), nil)
	require.NoError(t, err)
	return head
}

func TestActsAreAudited(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	platform, a := f.db.Platform(), f.db.Tenant(f.a)
	act := store.Act{By: "ann", Why: "a move"}
	for range 2 { // what changes nothing is no act
		_, err := platform.ChangeLane(t.Context(), f.a, "b", act)
		require.NoError(t, err)
		_, err = a.Pause(t.Context(), events.Quality, "ann", "prices")
		require.NoError(t, err)
		_, err = platform.Suspend(t.Context(), f.a, act)
		require.NoError(t, err)
	}
	for range 2 {
		_, err := a.Resume(t.Context(), events.Quality, "bob", "mended")
		require.NoError(t, err)
		_, err = platform.Resume(t.Context(), f.a, act)
		require.NoError(t, err)
	}
	require.NoError(t, platform.NoteBrokerUser(t.Context(), f.a, true, act))
	entries, err := a.AuditLog(t.Context(), store.AuditFilter{})
	require.NoError(t, err)
	var actions []store.Action
	for _, entry := range entries {
		require.Equal(t, f.a, entry.Tenant)
		require.WithinDuration(t, time.Now(), entry.At, time.Minute)
		actions = append(actions, entry.Action)
	}
	require.Equal(t, []store.Action{
		store.TenantCredentials, store.TenantResumed, store.PipelineResumed, store.TenantStopped, store.PipelinePaused,
		store.TenantMoved, store.TenantCreated,
	}, actions)
	require.JSONEq(t, `{"from": "a", "to": "b"}`, string(entries[5].Details))
	require.Equal(t, "bob", entries[2].Actor)
	require.Equal(t, "mended", entries[2].Why)

	only, err := a.AuditLog(t.Context(), store.AuditFilter{Action: store.TenantMoved})
	require.NoError(t, err)
	require.Len(t, only, 1)
	page, err := platform.AuditLog(t.Context(), store.AuditFilter{Before: entries[1].Seq, Limit: 2})
	require.NoError(t, err)
	require.Equal(t, []int64{entries[1].Seq - 1, entries[1].Seq - 2}, []int64{page[0].Seq, page[1].Seq})
	none, err := platform.AuditLog(t.Context(), store.AuditFilter{Since: time.Now().Add(time.Hour)})
	require.NoError(t, err)
	require.Empty(t, none)
	others, err := f.db.Tenant(f.b).AuditLog(t.Context(), store.AuditFilter{})
	require.NoError(t, err)
	require.Len(t, others, 1, "its own creation, and nothing of its neighbour")
}

func TestTheAuditLogIsOneChainHoweverManyWrite(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	var writers sync.WaitGroup
	for range 8 {
		writers.Go(func() {
			for i := range 20 {
				if err := f.db.Platform().Audit(t.Context(), store.AuditEntry{Tenant: f.a, Actor: "ann", Action: "x.y", Subject: fmt.Sprint(i)}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 20 {
		_, err := f.db.Platform().VerifyAudit(t.Context(), nil)
		require.NoError(t, err, "while others write")
	}
	writers.Wait()
	head, err := f.db.Platform().VerifyAudit(t.Context(), nil)
	require.NoError(t, err)
	require.EqualValues(t, 162, head.Seq)
}

func TestWhatIsDoneToTheAuditLogShows(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	noted := audited(t, f, 6) // behind the creation of two tenants
	require.EqualValues(t, 8, noted.Seq)
	admin := connect(t, f.AdminURL)
	_, err := admin.Exec(t.Context(), `CREATE TABLE kept AS SELECT * FROM audit; CREATE TABLE kept_head AS SELECT * FROM audit_head`)
	require.NoError(t, err)
	const restore = `
		ALTER TABLE audit DISABLE TRIGGER USER; ALTER TABLE audit_head DISABLE TRIGGER forward;
		TRUNCATE audit, audit_head; INSERT INTO audit SELECT * FROM kept; INSERT INTO audit_head SELECT * FROM kept_head;
		ALTER TABLE audit ENABLE TRIGGER USER; ALTER TABLE audit_head ENABLE TRIGGER forward`
	for name, tampered := range map[string]struct {
		sql  string
		want postgres.AuditBreak
	}{
		"a bit of a reason":       {`UPDATE audit SET why = 'a,b:d' WHERE seq = 4`, postgres.AuditBreak{Seq: 4, Fault: "its content is not what was written"}},
		"who it was":              {`UPDATE audit SET actor = 'eve' WHERE seq = 3`, postgres.AuditBreak{Seq: 3, Fault: "its content is not what was written"}},
		"when":                    {`UPDATE audit SET at = at + interval '1 microsecond' WHERE seq = 3`, postgres.AuditBreak{Seq: 3, Fault: "its content is not what was written"}},
		"whose":                   {`UPDATE audit SET tenant_id = gen_random_uuid() WHERE seq = 3`, postgres.AuditBreak{Seq: 3, Fault: "its content is not what was written"}},
		"details":                 {`UPDATE audit SET details = '{"b": [1.5, "2"], "a": null}' WHERE seq = 5`, postgres.AuditBreak{Seq: 5, Fault: "its content is not what was written"}},
		"a bit of a hash":         {`UPDATE audit SET hash = set_bit(hash, 7, 1 - get_bit(hash, 7)) WHERE seq = 4`, postgres.AuditBreak{Seq: 4, Fault: "its content is not what was written"}},
		"an entry and its hash":   {`UPDATE audit SET why = 'x' WHERE seq = 4; UPDATE audit SET hash = audit_hash(audit) WHERE seq = 4`, postgres.AuditBreak{Seq: 5, Fault: "it does not follow the entry before"}},
		"an entry is gone":        {`DELETE FROM audit WHERE seq = 4`, postgres.AuditBreak{Seq: 4, Fault: "it is missing"}},
		"the first is gone":       {`DELETE FROM audit WHERE seq = 1`, postgres.AuditBreak{Seq: 1, Fault: "it is missing"}},
		"the last is gone":        {`DELETE FROM audit WHERE seq = 8`, postgres.AuditBreak{Seq: 8, Fault: "it is missing, and so are all behind it"}},
		"all are gone":            {`TRUNCATE audit`, postgres.AuditBreak{Seq: 1, Fault: "it is missing, and so are all behind it"}},
		"the order":               {`UPDATE audit SET seq = 10 - seq WHERE seq IN (4, 6)`, postgres.AuditBreak{Seq: 4, Fault: "it does not follow the entry before"}},
		"an entry is there twice": {`ALTER TABLE audit DISABLE TRIGGER USER; INSERT INTO audit SELECT 'ffffffff-ffff-ffff-ffff-ffffffffffff', seq, at, actor, action, subject, why, details, prev_hash, hash FROM audit WHERE seq = 4`, postgres.AuditBreak{Seq: 4, Fault: "it is there twice"}},
		"a forged one at the end": {`ALTER TABLE audit DISABLE TRIGGER USER; INSERT INTO audit SELECT tenant_id, 9, at, actor, action, subject, why, details, hash, hash FROM audit WHERE seq = 8`, postgres.AuditBreak{Seq: 9, Fault: "its content is not what was written"}},
		"the head":                {`UPDATE audit_head SET seq = seq + 1, hash = sha256('x')`, postgres.AuditBreak{Seq: 9, Fault: "it is missing, and so are all behind it"}},
		"the last and the head":   {`ALTER TABLE audit_head DISABLE TRIGGER forward; UPDATE audit_head SET seq = 7, hash = (SELECT hash FROM audit WHERE seq = 7); DELETE FROM audit WHERE seq = 8`, postgres.AuditBreak{Seq: 8, Fault: "it is missing: the log had 8 entries before"}},
		"all of it, written anew": {`ALTER TABLE audit_head DISABLE TRIGGER forward; TRUNCATE audit; UPDATE audit_head SET seq = 0, hash = decode(repeat('00', 32), 'hex');
			INSERT INTO audit (tenant_id, actor, action, subject, why, details) SELECT gen_random_uuid(), 'eve', 'x.y', '', '', '{}' FROM generate_series(1, 9)`, postgres.AuditBreak{Seq: 8, Fault: "it is another one than was noted before"}},
	} {
		_, err := admin.Exec(t.Context(), tampered.sql)
		require.NoError(t, err, name)
		_, err = f.db.Platform().VerifyAudit(t.Context(), &noted)
		var found *postgres.AuditBreak
		require.ErrorAs(t, err, &found, name)
		require.Equal(t, tampered.want, *found, name)
		_, err = admin.Exec(t.Context(), restore)
		require.NoError(t, err)
	}
	_, err = f.db.Platform().VerifyAudit(t.Context(), &noted)
	require.NoError(t, err, "as it was")
}

// What the application's roles may not do, whatever they are made to run.
func TestTheAuditLogCannotBeChangedByTheApplication(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	audited(t, f, 3)
	app := connect(t, f.URL)
	for _, role := range []string{"SELECT set_tenant_context('" + f.a.String() + "')", "SET LOCAL ROLE reos_platform", "SET LOCAL ROLE reos_purge"} {
		for statement, want := range map[string]string{
			"UPDATE audit SET why = 'x'":                   "42501",
			"DELETE FROM audit":                            "42501",
			"TRUNCATE audit":                               "42501",
			"DELETE FROM audit_head":                       "42501",
			"INSERT INTO audit_head VALUES (false, 0, '')": "42501",
			"INSERT INTO audit (tenant_id, seq) VALUES (gen_random_uuid(), 1)":      "42501",
			"ALTER TABLE audit DISABLE TRIGGER ALL":                                 "42501",
			"SET session_replication_role = replica":                                "42501",
			"UPDATE audit_head SET seq = seq + 1":                                   "42501",
			"UPDATE audit_head SET hash = sha256('x')":                              "42501",
			"UPDATE audit_head SET seq = 0, hash = decode(repeat('00', 32), 'hex')": "42501",
			"SELECT FROM audit_head FOR UPDATE":                                     "42501",
			"SELECT audit_chain()":                                                  "42501",
			"SELECT audit_close()":                                                  "42501",
		} {
			_, err := visible(t, app, role+"; "+statement, "tenants")
			require.Equal(t, want, code(err), "%s: %s: %v", role, statement, err)
		}
	}
	_, err := visible(t, app, "SELECT set_tenant_context('"+f.a.String()+"'); INSERT INTO audit (tenant_id, actor, action, subject, why, details) VALUES ('"+f.b.String()+"', 'ann', 'x.y', '', '', '{}')", "audit")
	require.Equal(t, "42501", code(err), "in another tenant's name")
}

// many adds entries in one statement, from the first number to the last.
const many = `INSERT INTO audit (tenant_id, actor, action, subject, why, details)
	SELECT '%s', 'ann', 'x.y', n::text, 'Łódź', jsonb_build_object('n', n) FROM generate_series(%d, %d) s (n) ORDER BY s.n`

func TestEntriesOfOneStatementAreChainedInTheirOrder(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	before := audited(t, f, 3)
	app := connect(t, f.URL)
	statement := func(owner uuid.UUID, from, to int) string { return fmt.Sprintf(many, owner, from, to) }
	_, err := app.Exec(t.Context(), "BEGIN; SELECT set_tenant_context('"+f.a.String()+"'); "+statement(f.a, 1, 300)+
		"; SAVEPOINT here; "+statement(f.a, 900, 999)+"; ROLLBACK TO here; "+statement(f.a, 1, 0)+"; "+statement(f.a, 301, 303)+
		"; WITH one AS ("+statement(f.a, 304, 305)+") "+statement(f.a, 306, 307)+"; COMMIT")
	require.NoError(t, err)
	head, err := f.db.Platform().VerifyAudit(t.Context(), &before)
	require.NoError(t, err)
	require.Equal(t, before.Seq+307, head.Seq)
	entries, err := f.db.Tenant(f.a).AuditLog(t.Context(), store.AuditFilter{Action: "x.y", Limit: 1000})
	require.NoError(t, err)
	require.Len(t, entries, 307)
	for i, entry := range entries[4:] {
		require.Equal(t, fmt.Sprint(303-i), entry.Subject)
	}

	admin := connect(t, f.AdminURL)
	within := before.Seq + 150
	for fault, tamper := range map[string]string{
		"its content is not what was written":     "UPDATE audit SET why = 'x' WHERE seq = %d",
		"it is missing":                           "DELETE FROM audit WHERE seq = %d",
		"it does not follow the entry before":     "UPDATE audit SET seq = 2 * %[1]d + 1 - seq WHERE seq IN (%[1]d, %[1]d + 1)",
		"it is missing, and so are all behind it": "DELETE FROM audit WHERE seq >= %d",
	} {
		tx, err := admin.Begin(t.Context())
		require.NoError(t, err)
		_, err = tx.Exec(t.Context(), fmt.Sprintf("CREATE TABLE kept AS SELECT * FROM audit; ALTER TABLE audit DROP CONSTRAINT audit_pkey; "+tamper, within))
		require.NoError(t, err)
		require.NoError(t, tx.Commit(t.Context()))
		_, err = f.db.Platform().VerifyAudit(t.Context(), &head)
		var found *postgres.AuditBreak
		require.ErrorAs(t, err, &found, fault)
		require.Equal(t, postgres.AuditBreak{Seq: within, Fault: fault}, *found)
		_, err = admin.Exec(t.Context(), `ALTER TABLE audit DISABLE TRIGGER USER; TRUNCATE audit; INSERT INTO audit SELECT * FROM kept;
			ALTER TABLE audit ENABLE TRIGGER USER, ADD PRIMARY KEY (tenant_id, seq); DROP TABLE kept`)
		require.NoError(t, err)
	}
}

// The end of the chain is carried in a setting, which anybody may write.
func TestNobodyCanSayWhereTheAuditLogEnds(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	before := audited(t, f, 3)
	app := connect(t, f.URL)
	forged := fmt.Sprintf("set_config('app.audit_end', '%d ' || repeat('ab', 32), true)", before.Seq)
	for name, statement := range map[string]string{
		"before a statement": "SELECT " + forged + "; " + fmt.Sprintf(many, f.a, 1, 3),
		"within a statement": strings.Replace(fmt.Sprintf(many, f.a, 1, 3), "'ann'", "'ann' || left("+forged+", 0)", 1),
		"with a gap":         "SELECT set_config('app.audit_end', (seq + 5) || ' ' || encode(hash, 'hex'), true) FROM audit_head; " + fmt.Sprintf(many, f.a, 1, 3),
		"back":               "SELECT set_config('app.audit_end', '0 ' || repeat('00', 32), true); " + fmt.Sprintf(many, f.a, 1, 3),
	} {
		_, err := app.Exec(t.Context(), "BEGIN; SELECT set_tenant_context('"+f.a.String()+"'); "+statement+"; COMMIT")
		require.Contains(t, []string{"P0001", "23505"}, code(err), "%s: %v", name, err)
		_, err = app.Exec(t.Context(), "ROLLBACK")
		require.NoError(t, err)
	}
	head, err := f.db.Platform().VerifyAudit(t.Context(), &before)
	require.NoError(t, err)
	require.Equal(t, before, head)
}

func TestStatementsOfManyWritersAreChained(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	var writers sync.WaitGroup
	for _, owner := range []uuid.UUID{f.a, f.b, f.a, f.b} {
		app := connect(t, f.URL)
		writers.Go(func() {
			for range 10 {
				_, err := app.Exec(t.Context(), "BEGIN; SELECT set_tenant_context('"+owner.String()+"'); "+fmt.Sprintf(many, owner, 1, 20)+"; COMMIT")
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	writers.Wait()
	head, err := f.db.Platform().VerifyAudit(t.Context(), nil)
	require.NoError(t, err)
	require.EqualValues(t, 2+4*10*20, head.Seq)
}

func TestAnAuditLogOfOlderTriggersGoesOn(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	before := audited(t, f, 3)
	applied := func(name string) bool {
		statuses, err := postgres.Status(t.Context(), f.AdminURL)
		require.NoError(t, err)
		return slices.ContainsFunc(statuses, func(m postgres.Migration) bool { return m.Name == name && m.AppliedAt != nil })
	}
	require.True(t, applied("0019_audit_chain.sql"))
	for applied("0019_audit_chain.sql") {
		require.NoError(t, postgres.Down(t.Context(), f.AdminURL, false))
	}
	app := connect(t, f.URL)
	_, err := app.Exec(t.Context(), "BEGIN; SELECT set_tenant_context('"+f.a.String()+"'); "+fmt.Sprintf(many, f.a, 1, 3)+"; COMMIT")
	require.NoError(t, err)
	require.NoError(t, postgres.Migrate(t.Context(), f.AdminURL, f.URL))
	_, err = app.Exec(t.Context(), "BEGIN; SELECT set_tenant_context('"+f.a.String()+"'); "+fmt.Sprintf(many, f.a, 4, 6)+"; COMMIT")
	require.NoError(t, err)
	head, err := f.db.Platform().VerifyAudit(t.Context(), &before)
	require.NoError(t, err)
	require.Equal(t, before.Seq+6, head.Seq)
}
