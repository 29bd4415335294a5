package isolation

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/store/postgres"
)

func sessionAttempts(*World) []Attempt {
	return []Attempt{
		{Name: "read on a pooled connection after the victim's transaction", Layer: Postgres, Try: leftOver(false)},
		{Name: "read on a pooled connection after the victim's transaction failed", Layer: Postgres, Try: leftOver(true)},
		{Name: "shadow a table with a temporary one on a pooled connection", Layer: Postgres, Try: shadow},
		{Name: "read other sessions' statements", Layer: Postgres, Try: peek(`SELECT query FROM pg_stat_activity`)},
		{Name: "read statistics of the victim's values", Layer: Postgres, Try: peek(`SELECT row_to_json(s)::text FROM pg_stats s UNION ALL SELECT row_to_json(x)::text FROM pg_stats_ext x`)},
		{Name: "read kept prepared statements", Layer: Postgres, Try: peek(`SELECT statement FROM pg_prepared_statements UNION ALL SELECT statement FROM pg_cursors`)},
		{Name: "read what locks are held on", Layer: Postgres, Try: peek(`SELECT row_to_json(l)::text FROM pg_locks l`)},
		{Name: "listen to notifications", Layer: Postgres, Try: listen},
	}
}

// pooled runs work on a pool of one connection, so that each user gets what the one before left.
func (w *World) pooled(ctx context.Context, work func(*postgres.DB) Outcome) Outcome {
	db, err := postgres.Open(ctx, postgres.Config{URL: w.DB.Pool().Config().ConnString(), MaxConns: 1})
	if err != nil {
		return fault(err)
	}
	defer db.Close()
	return work(db)
}

func leftOver(failed bool) func(context.Context, *World) Outcome {
	return func(ctx context.Context, w *World) Outcome {
		return w.pooled(ctx, func(db *postgres.DB) Outcome {
			victim := db.Tenant(w.Victim.ID)
			if failed {
				if _, err := victim.Records(ctx, events.Property, []store.Wanted{{Key: "\x00"}}); err == nil {
					return fault(errors.New("the statement that was to fail did not"))
				}
			} else if records, err := victim.Records(ctx, events.Property, []store.Wanted{{Key: w.Victim.property()}}); err != nil || len(records) != 1 {
				return fault(fmt.Errorf("the victim does not find its own record: %w", err))
			}
			var into tally
			for _, t := range w.tables {
				var n int
				err := db.Pool().QueryRow(ctx, w.fill("SELECT count(*) FROM {table}", t)).Scan(&n)
				switch {
				case err != nil:
					into.fail("%s: %v", t.name, err)
				case n > 0:
					into.leak("%s: %d rows are seen without a tenant", t.name, n)
				default:
					into.nothing()
				}
			}
			return into.outcome()
		})
	}
}

// shadow leaves a temporary table behind, on a connection that the victim's next call gets.
func shadow(ctx context.Context, w *World) Outcome {
	return w.pooled(ctx, func(db *postgres.DB) Outcome {
		var into tally
		if _, err := db.Pool().Exec(ctx, "CREATE TEMP TABLE properties (LIKE public.properties)"); err != nil {
			w.judge("temporary table", reply{}, err, &into)
			return into.outcome()
		}
		records, err := db.Tenant(w.Victim.ID).Records(ctx, events.Property, []store.Wanted{{Key: w.Victim.property()}})
		switch {
		case err != nil:
			return fault(err)
		case len(records) != 1:
			into.leak("the victim reads the attacker's table in place of its own")
		default:
			into.refuse()
		}
		return into.outcome()
	})
}

// peek looks for the victim's secret where sessions see each other, right after the victim has worked.
func peek(query string) func(context.Context, *World) Outcome {
	return func(ctx context.Context, w *World) Outcome {
		if _, err := w.rows(w.Victim.ID).Records(ctx, events.Property, []store.Wanted{{Key: w.Victim.property()}}); err != nil {
			return fault(err)
		}
		answer, err := w.sql.try(ctx, as(w.Attacker.ID), query)
		var into tally
		switch {
		case err != nil && refusal(err) == nil:
			return fault(err)
		case answer.holds(w.Victim.Secret) || answer.holds(w.Victim.Mark):
			into.leak("values of the victim's show")
		case err != nil:
			into.refuse()
		default:
			into.nothing()
		}
		return into.outcome()
	}
}

// heardWithin is how long a notification may take to come in.
const heardWithin = 50 * time.Millisecond

// listen takes the channels of the queues in Postgres and looks at what is said while the victim is worked for.
func listen(ctx context.Context, w *World) Outcome {
	listening, err := w.newSession(ctx)
	if err != nil {
		return fault(err)
	}
	defer listening.close(ctx)
	if _, err := listening.run(ctx, "LISTEN pgqueue_queue; LISTEN pgqueue_topology"); err != nil {
		return fault(err)
	}
	if w.Transport != nil {
		if err := w.Transport.BindTenant(ctx, w.Victim.ID, w.Victim.Lane); err != nil {
			return fault(err)
		}
	}
	var into tally
	for {
		waiting, cancel := context.WithTimeout(ctx, heardWithin)
		heard, err := listening.conn.WaitForNotification(waiting)
		cancel()
		if err != nil {
			into.nothing()
			return into.outcome()
		}
		if w.tells(heard.Payload) || strings.Contains(heard.Payload, w.Victim.Mark) {
			into.leak("channel %s tells: %s", heard.Channel, heard.Payload)
		}
	}
}
