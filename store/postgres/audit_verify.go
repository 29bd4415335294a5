package postgres

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5"

	"github.com/codybias9/real-estate-os/store"
)

const (
	sqlAuditChain = sqlAuditColumns + ` ORDER BY seq, tenant_id`
	sqlAuditHead  = `SELECT seq, hash FROM audit_head`
)

// AuditBreak is where the chain of the audit log is broken: somebody has changed it who may not.
type AuditBreak struct {
	Seq   int64  // the first entry that is wrong, or missing
	Fault string // what is wrong with it
}

func (b *AuditBreak) Error() string { return fmt.Sprintf("audit entry %d: %s", b.Seq, b.Fault) }

// VerifyAudit reads the whole log and computes every hash anew, in this process. It returns the end of the chain, or an
// *AuditBreak. seen, if not nil, is an end that was noted before: the log must still begin with the same entries. Without
// one, it cannot be seen that the schema's owner has written the log anew from an entry on, or has taken the newest
// entries together with the head.
func (p *Platform) VerifyAudit(ctx context.Context, seen *store.AuditHead) (store.AuditHead, error) {
	var head store.AuditHead
	err := p.db.transact(ctx, "verify the audit log", func(tx *transaction) error {
		walk := chain{last: store.AuditHead{Hash: make([]byte, sha256.Size)}, seen: seen}
		batch := tx.beginSnapshot(platformView)
		batch.Queue(sqlAuditHead).QueryRow(func(row pgx.Row) error { return row.Scan(&head.Seq, &head.Hash) })
		if err := tx.send(ctx, batch); err != nil {
			return err
		}
		rows, err := tx.conn.Query(ctx, sqlAuditChain) // as they come: the log may be long
		if err != nil {
			return classify(ctx, err)
		}
		defer rows.Close()
		for rows.Next() {
			entry, err := scanAuditEntry(rows)
			if err != nil {
				return classify(ctx, err)
			}
			if err := walk.next(entry); err != nil {
				return err
			}
		}
		if err := rows.Err(); err != nil {
			return classify(ctx, err)
		}
		return walk.end(head)
	})
	return head, err
}

// chain follows the log from its first entry.
type chain struct {
	last store.AuditHead
	seen *store.AuditHead
}

func (c *chain) next(entry store.AuditEntry) error {
	due := c.last.Seq + 1
	switch {
	case entry.Seq > due:
		return &AuditBreak{due, "it is missing"}
	case entry.Seq < due:
		return &AuditBreak{entry.Seq, "it is there twice"}
	case !bytes.Equal(entry.PrevHash, c.last.Hash):
		return &AuditBreak{due, "it does not follow the entry before"}
	case !bytes.Equal(entry.Hash, auditHash(entry)):
		return &AuditBreak{due, "its content is not what was written"}
	}
	c.last = store.AuditHead{Seq: due, Hash: entry.Hash}
	if c.seen != nil && c.seen.Seq == due && !bytes.Equal(c.seen.Hash, entry.Hash) {
		return &AuditBreak{due, "it is another one than was noted before"}
	}
	return nil
}

func (c *chain) end(head store.AuditHead) error {
	switch {
	case c.last.Seq < head.Seq:
		return &AuditBreak{c.last.Seq + 1, "it is missing, and so are all behind it"}
	case c.last.Seq > head.Seq || !bytes.Equal(c.last.Hash, head.Hash):
		return &AuditBreak{c.last.Seq, "it is not the last that was written"}
	case c.seen != nil && c.seen.Seq > c.last.Seq:
		return &AuditBreak{c.last.Seq + 1, fmt.Sprintf("it is missing: the log had %d entries before", c.seen.Seq)}
	}
	return nil
}

// auditHash is what the function audit_hash computes in Postgres.
func auditHash(entry store.AuditEntry) []byte {
	encoded := bytes.Clone(entry.PrevHash)
	for i, field := range []string{
		strconv.FormatInt(entry.Seq, 10), entry.At.UTC().Format("2006-01-02T15:04:05.000000Z"), entry.Tenant.String(),
		entry.Actor, string(entry.Action), entry.Subject, entry.Why, string(entry.Details),
	} {
		if i > 0 {
			encoded = append(encoded, ',')
		}
		encoded = append(strconv.AppendInt(encoded, int64(len(field)), 10), ':')
		encoded = append(encoded, field...)
	}
	digest := sha256.Sum256(encoded)
	return digest[:]
}
