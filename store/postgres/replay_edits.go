package postgres

import (
	"bytes"
	"context"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/codybias9/real-estate-os/store"
)

const (
	sqlSaveEdits = `
INSERT INTO replay_edits (tenant_id, run_id, letter_id, patch, before_sha256, after_sha256)
SELECT $1, run_id, letter_id, patch::json, before, after
FROM unnest($2::text[], $3::uuid[], $4::text[], $5::bytea[], $6::bytea[]) AS e (run_id, letter_id, patch, before, after)
ON CONFLICT (tenant_id, run_id, letter_id) DO NOTHING`

	sqlEdits = `
SELECT letter_id, patch::text, before_sha256, after_sha256 FROM replay_edits
WHERE tenant_id = $1 AND run_id = $2 AND letter_id = ANY ($3::uuid[])`
)

const sqlLettersByID = sqlLetterColumns + sqlLetterWhole + ` FROM dead_letters l WHERE tenant_id = $1 AND id = ANY ($2::uuid[])`

// editsPage bounds the edits of one statement.
const editsPage = 1000

// SaveEdits keeps what a replay changes in letters, each once.
func (t *Tenant) SaveEdits(ctx context.Context, edits []store.Edit) error {
	sorted := slices.SortedFunc(slices.Values(edits), func(a, b store.Edit) int { return bytes.Compare(a.Letter[:], b.Letter[:]) })
	for part := range slices.Chunk(sorted, editsPage) {
		_, err := t.execute(ctx, "save edits of replay", sqlSaveEdits, t.key(),
			column(part, func(e store.Edit) string { return e.Run }),
			column(part, func(e store.Edit) [16]byte { return e.Letter }),
			column(part, func(e store.Edit) string { return printable(string(e.Patch)) }),
			column(part, func(e store.Edit) []byte { return e.Before[:] }),
			column(part, func(e store.Edit) []byte { return e.After[:] }))
		if err != nil {
			return err
		}
	}
	return nil
}

// LettersToReplay reads whole letters for a run, without what became of them, and what the run changes in them; letters
// that are gone, and edits of letters that it leaves as they are, are left out.
func (t *Tenant) LettersToReplay(ctx context.Context, run string, ids []uuid.UUID) ([]store.DeadLetter, map[uuid.UUID]store.Edit, error) {
	var letters []store.DeadLetter
	edits := map[uuid.UUID]store.Edit{}
	err := t.roundTrip(ctx, "read letters to replay", func(b *pgx.Batch) {
		clear(edits)
		b.Queue(sqlLettersByID, t.key(), uuids(ids)).Query(collect(&letters, scanDeadLetter))
		b.Queue(sqlEdits, t.key(), run, uuids(ids)).Query(func(rows pgx.Rows) error {
			e := store.Edit{Run: run}
			var patch string
			var before, after []byte
			_, err := pgx.ForEachRow(rows, []any{(*[16]byte)(&e.Letter), &patch, &before, &after}, func() error {
				e.Patch = []byte(patch)
				copy(e.Before[:], before)
				copy(e.After[:], after)
				edits[e.Letter] = e
				return nil
			})
			return err
		})
	})
	return letters, edits, err
}
