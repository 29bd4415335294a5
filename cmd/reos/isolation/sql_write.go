package isolation

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"
)

// writes are ways to change rows that are not one's own. affected says what the last statement may touch.
var writes = []struct{ name, sql string }{
	{"change the victim's rows", `UPDATE {table} SET {tenant} = {tenant} WHERE {tenant} = '{victim}'`},
	{"change every row but its own", `UPDATE {table} SET {tenant} = {tenant} WHERE {tenant} <> '{attacker}'`},
	{"change the victim's rows through a join", `UPDATE {table} t SET {tenant} = t.{tenant} FROM (VALUES ('{victim}'::uuid)) v (id) WHERE t.{tenant} = v.id`},
	{"delete the victim's rows", `DELETE FROM {table} WHERE {tenant} = '{victim}'`},
	{"delete every row but its own", `DELETE FROM {table} WHERE {tenant} <> '{attacker}'`},
	{"delete through a common table expression", `WITH gone AS (DELETE FROM {table} WHERE {tenant} = '{victim}' RETURNING 1) SELECT count(*) FROM gone HAVING count(*) > 0`},
	{"merge into the victim's rows", `MERGE INTO {table} t USING (VALUES ('{victim}'::uuid)) v (id) ON t.{tenant} = v.id WHEN MATCHED THEN UPDATE SET {tenant} = v.id`},
	{"delete as reos_purge", `SET LOCAL ROLE reos_purge; DELETE FROM {table} WHERE {tenant} = '{victim}'`},
	{"delete all as reos_purge", `SET LOCAL ROLE reos_purge; DELETE FROM {table}`},
	{"delete all as reos_platform", `SET LOCAL ROLE reos_platform; DELETE FROM {table}`},
	{"empty the table", `TRUNCATE {table}`},
}

func writeAttempts(w *World) []Attempt {
	var all []Attempt
	for _, how := range writes {
		all = append(all, w.everyTable(how.name, func(ctx context.Context, w *World, t table, into *tally) {
			answer, err := w.sql.try(ctx, as(w.Attacker.ID), w.fill(how.sql, t))
			w.judgeWrite(t.name, answer, err, into)
		}))
	}
	return append(all,
		w.everyTable("insert a bare row as the victim", insertBare),
		w.everyTable("insert a copy of the victim's row", insertCopy),
		w.everyTable("upsert over the victim's row", upsert),
		w.everyTable("upsert that does nothing, to learn whether the row exists", upsertProbe),
		w.everyTable("move its own rows to the victim", moveOwn),
		w.everyTable("change every row, without a condition", changeAll),
		w.everyTable("copy rows in", copyIn),
		w.everyTable("learn of the victim's keys by a unique violation", uniqueProbe),
		Attempt{Name: "learn of tenants by foreign keys and error texts", Layer: Postgres, Try: existenceProbe})
}

// judgeWrite is judge for a statement that must not have touched a row.
func (w *World) judgeWrite(where string, answer reply, err error, into *tally) {
	if err == nil && answer.affected > 0 {
		into.leak("%s: %d rows of the victim's were written", where, answer.affected)
		return
	}
	if e := refusal(err); e != nil && strings.HasPrefix(e.Code, "23") {
		into.leak("%s: the row passed the policy; only SQLSTATE %s held it back", where, e.Code)
		return
	}
	w.judge(where, reply{said: answer.said}, err, into)
}

func insertBare(ctx context.Context, w *World, t table, into *tally) {
	answer, err := w.sql.try(ctx, as(w.Attacker.ID), w.fill("INSERT INTO {table} ({tenant}) VALUES ('{victim}')", t))
	w.judgeWrite(t.name, answer, err, into)
}

// insertAs is an insert of a victim's row, with another tenant in it.
func (w *World) insertAs(ctx context.Context, t table, tenant uuid.UUID) (string, error) {
	own, err := w.sql.try(ctx, as(w.Victim.ID), w.fill("SELECT t::text FROM {table} t WHERE {tenant} = '{victim}' LIMIT 1", t))
	if err != nil || len(own.rows) == 0 {
		return "", fmt.Errorf("the victim has no row: %w", err)
	}
	columns := t.columns
	if !slices.Contains(columns, t.tenant) { // the application may insert nothing: let Postgres say so
		columns = append([]string{t.tenant}, columns...)
	}
	values := make([]string, len(columns))
	for i, column := range columns {
		values[i] = "(r)." + column
		if column == t.tenant {
			values[i] = "'" + tenant.String() + "'::uuid"
		}
	}
	return fmt.Sprintf("INSERT INTO %s AS t (%s) SELECT %s FROM (SELECT $row$%s$row$::%s AS r) x",
		t.name, strings.Join(columns, ", "), strings.Join(values, ", "), own.rows[0][0], t.name), nil
}

// insertAsVictim tries an insert of the victim's own row by the attacker, with a clause behind it.
func insertAsVictim(ctx context.Context, w *World, t table, clause string, into *tally) {
	insert, err := w.insertAs(ctx, t, w.Victim.ID)
	if err != nil {
		into.fail("%s: %v", t.name, err)
		return
	}
	answer, err := w.sql.try(ctx, as(w.Attacker.ID), insert+w.fill(clause, t))
	w.judgeWrite(t.name, answer, err, into)
}

func insertCopy(ctx context.Context, w *World, t table, into *tally) {
	insertAsVictim(ctx, w, t, "", into)
}

func upsert(ctx context.Context, w *World, t table, into *tally) {
	insertAsVictim(ctx, w, t, fmt.Sprintf(" ON CONFLICT (%s) DO UPDATE SET {tenant} = excluded.{tenant} RETURNING t::text",
		strings.Join(t.key, ", ")), into)
}

func upsertProbe(ctx context.Context, w *World, t table, into *tally) {
	insertAsVictim(ctx, w, t, " ON CONFLICT DO NOTHING RETURNING t::text", into)
}

func moveOwn(ctx context.Context, w *World, t table, into *tally) {
	answer, err := w.sql.try(ctx, as(w.Attacker.ID), w.fill("UPDATE {table} SET {tenant} = '{victim}' WHERE {tenant} = '{attacker}'", t))
	w.judgeWrite(t.name, answer, err, into)
}

// changeAll may change the attacker's own rows, and no other.
func changeAll(ctx context.Context, w *World, t table, into *tally) {
	answer, err := w.sql.try(ctx, as(w.Attacker.ID), w.fill("UPDATE {table} t SET {tenant} = t.{tenant} RETURNING t::text", t))
	w.judge(t.name, answer, err, into)
}

func copyIn(ctx context.Context, w *World, t table, into *tally) {
	answer, err := w.sql.copyIn(ctx, as(w.Attacker.ID), w.fill("COPY {table} ({tenant}) FROM STDIN", t), w.Victim.ID.String()+"\n")
	w.judgeWrite(t.name, answer, err, into)
}

// uniqueProbe inserts what the victim has for a tenant that has nothing. Whatever holds it back may do so, but not the
// victim's row.
func uniqueProbe(ctx context.Context, w *World, t table, into *tally) {
	nobody := w.Attacker.id("nobody")
	insert, err := w.insertAs(ctx, t, nobody)
	if err != nil {
		into.fail("%s: %v", t.name, err)
		return
	}
	_, err = w.sql.try(ctx, as(nobody), insert)
	switch e := refusal(err); {
	case e != nil && (e.Code == "23505" || e.Code == "23P01"):
		into.leak("%s: a key of the victim's is in another tenant's way", t.name)
	case err == nil:
		into.nothing()
	case e == nil:
		into.fail("%s: %v", t.name, err)
	default: // its own constraints, or a privilege
		into.refuse()
	}
}

// existenceProbe compares what is said of a tenant that exists with what is said of one that does not.
func existenceProbe(ctx context.Context, w *World) Outcome {
	var into tally
	nobody := w.Attacker.id("nobody").String()
	for _, t := range w.tables {
		statement := w.fill("INSERT INTO {table} ({tenant}) VALUES ('{victim}')", t)
		_, exists := w.sql.try(ctx, as(w.Attacker.ID), statement)
		_, missing := w.sql.try(ctx, as(w.Attacker.ID), strings.ReplaceAll(statement, w.Victim.ID.String(), nobody))
		a, b := refusal(exists), refusal(missing)
		switch {
		case a == nil || b == nil:
			into.fail("%s: %v; %v", t.name, exists, missing)
		case strings.ReplaceAll(spoken(a), w.Victim.ID.String(), nobody) != spoken(b) || a.Code != b.Code:
			into.leak("%s: the error tells whether a tenant exists", t.name)
		default:
			into.refuse()
		}
	}
	return into.outcome()
}
