package isolation

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// table is one in which tenants' rows lie, as the catalog describes it.
type table struct {
	name    string   // as it is written in SQL
	tenant  string   // the column that says whose a row is
	columns []string // that the application may insert
	key     []string // of the primary key
}

// sqlTables finds every table with a tenant_id, whatever migration made it, and the tenants themselves.
const sqlTables = `
SELECT c.oid::regclass::text, CASE WHEN c.oid = 'tenants'::regclass THEN 'id' ELSE 'tenant_id' END,
	ARRAY(SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
		AND a.attgenerated = '' AND a.attidentity <> 'a' AND has_column_privilege(c.oid, a.attnum, 'INSERT') ORDER BY a.attnum),
	ARRAY(SELECT a.attname::text FROM pg_index i JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (i.indkey)
		WHERE i.indrelid = c.oid AND i.indisprimary AND array_position(i.indkey::int2[], a.attnum) < i.indnkeyatts
		ORDER BY array_position(i.indkey::int2[], a.attnum))
FROM pg_class c
WHERE c.relkind IN ('r', 'p') AND (c.oid = 'tenants'::regclass
	OR EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped))
ORDER BY 1`

func readTables(ctx context.Context, conn *pgx.Conn) ([]table, error) {
	rows, err := conn.Query(ctx, sqlTables)
	if err != nil {
		return nil, fmt.Errorf("read the catalog: %w", err)
	}
	tables, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (t table, err error) {
		err = row.Scan(&t.name, &t.tenant, &t.columns, &t.key)
		return t, err
	})
	if err != nil {
		return nil, fmt.Errorf("read the catalog: %w", err)
	}
	return tables, nil
}

// fill writes a statement for a table: {table}, {tenant} its tenant column, {victim} and {attacker} the canaries' ids.
func (w *World) fill(statement string, t table) string {
	return strings.NewReplacer("{table}", t.name, "{tenant}", t.tenant,
		"{victim}", w.Victim.ID.String(), "{attacker}", w.Attacker.ID.String()).Replace(statement)
}

// session is a connection as reos_app that attempts use as they like. Not safe for concurrent use.
type session struct {
	config *pgx.ConnConfig
	conn   *pgx.Conn
	said   []string // what Postgres raised beside the results
}

func (w *World) newSession(ctx context.Context) (*session, error) {
	s := &session{config: w.DB.Pool().Config().ConnConfig}
	s.config.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) { s.said = append(s.said, n.Message+" "+n.Detail) }
	return s, s.connect(ctx)
}

// connect makes sure that there is a connection. Where there is none to be had, the one that was lost stays: it refuses
// whatever it is asked.
func (s *session) connect(ctx context.Context) error {
	if s.conn != nil && !s.conn.IsClosed() {
		return nil
	}
	conn, err := pgx.ConnectConfig(ctx, s.config)
	if err != nil {
		return err
	}
	s.conn = conn
	return nil
}

func (s *session) close(ctx context.Context) { _ = s.conn.Close(ctx) } // Postgres finds out by itself where this fails

// reply is what statements answered: every value as text, one slice per row, and what was raised beside them.
type reply struct {
	rows     [][]string
	affected int64 // of the last statement
	said     []string
}

// holds says whether any value, or anything raised, has a text in it.
func (r reply) holds(text string) bool {
	for _, row := range r.rows {
		for _, value := range row {
			if strings.Contains(value, text) {
				return true
			}
		}
	}
	return strings.Contains(strings.Join(r.said, "\n"), text)
}

// as names the tenant for a transaction.
func as(tenant uuid.UUID) string { return "SELECT set_tenant_context('" + tenant.String() + "')" }

// begin begins every transaction of an attempt. Postgres takes the locks of some statements before it looks at who asks, and
// all who come later stand behind: whoever attacks must not wait for a backup, or for a long export, to end.
const begin = "BEGIN; SET LOCAL lock_timeout = '500ms'; "

// try runs statements in a transaction that begins with setup and is rolled back. The reply has the rows of the
// statements, not of setup.
func (s *session) try(ctx context.Context, setup string, statements ...string) (reply, error) {
	if err := s.connect(ctx); err != nil {
		return reply{}, err
	}
	s.said = nil
	defer func() { _, _ = s.run(ctx, "ROLLBACK") }() // a session that is lost has nothing to roll back
	if _, err := s.run(ctx, begin+setup); err != nil {
		return reply{}, err
	}
	answer, err := s.run(ctx, strings.Join(statements, "; "))
	answer.said = s.said
	return answer, err
}

// run sends statements in the simple protocol, which takes several.
func (s *session) run(ctx context.Context, sql string) (reply, error) {
	results, err := s.conn.PgConn().Exec(ctx, sql).ReadAll()
	var answer reply
	for _, result := range results {
		answer.affected = result.CommandTag.RowsAffected()
		for _, row := range result.Rows {
			values := make([]string, len(row))
			for i, value := range row {
				values[i] = string(value)
			}
			answer.rows = append(answer.rows, values)
		}
	}
	return answer, err
}

// refusal is Postgres' error; nil where it is none of Postgres'.
func refusal(err error) *pgconn.PgError {
	var refused *pgconn.PgError
	if errors.As(err, &refused) {
		return refused
	}
	return nil
}

// spoken is all that an error of Postgres tells.
func spoken(e *pgconn.PgError) string {
	return strings.Join([]string{e.Message, e.Detail, e.Hint, e.Where, e.InternalQuery}, "\n")
}

// copyOut runs a COPY TO STDOUT in a transaction like try's.
func (s *session) copyOut(ctx context.Context, setup, statement string) (reply, error) {
	if err := s.connect(ctx); err != nil {
		return reply{}, err
	}
	defer func() { _, _ = s.run(ctx, "ROLLBACK") }() // as in try
	if _, err := s.run(ctx, begin+setup); err != nil {
		return reply{}, err
	}
	var out strings.Builder
	_, err := s.conn.PgConn().CopyTo(ctx, &out, statement)
	return reply{rows: [][]string{{out.String()}}}, err
}

// copyIn runs a COPY FROM STDIN in a transaction like try's.
func (s *session) copyIn(ctx context.Context, setup, statement, rows string) (reply, error) {
	if err := s.connect(ctx); err != nil {
		return reply{}, err
	}
	defer func() { _, _ = s.run(ctx, "ROLLBACK") }() // as in try
	if _, err := s.run(ctx, begin+setup); err != nil {
		return reply{}, err
	}
	tag, err := s.conn.PgConn().CopyFrom(ctx, strings.NewReader(rows), statement)
	return reply{affected: tag.RowsAffected()}, err
}
