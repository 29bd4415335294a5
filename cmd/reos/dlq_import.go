package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/events/rabbitmq"
	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/workers/replay"
)

func dlqImportCommand(c *console) *cobra.Command {
	var queue, tenant, why string
	var limit int64
	cmd := &cobra.Command{
		Use:   "import",
		Short: "Bring the messages of another dead-letter queue here",
		Long: `Takes the messages of a queue on RABBITMQ_URL's broker that is not reos' own, keeps each as a dead letter with reason
imported, and acks it then: cut off in between, it comes again as the same letter. Ends when the queue gives no more for
3 seconds.

Letters are the tenant's whose id their routing key begins with, as reos' own intake has it. --tenant says that all of them
are of one tenant: a message with another routing key is then replayed under the tenant's own key and its event's type. What
is nobody's is the platform's, and cannot be replayed.`,
		Example: `  reos dlq import --queue legacy.dlq --tenant acme --why "the old consumer is gone"
  reos dlq import --queue upstream.parking-lot --limit 100 --json`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case queue == "":
				return badInput("--queue is missing: the name of the queue to take messages from")
			case limit < 0:
				return badInput("--limit must be 0 (all) or more, got %d", limit)
			}
			return withOpen(cmd.Context(), c, func(ctx context.Context, in *installation) error {
				result, err := in.importLetters(ctx, queue, tenant, why, limit)
				if err != nil {
					return err
				}
				return c.print(result, func(w io.Writer) {
					fmt.Fprintf(w, "%d dead letters brought from %s\n", result.Letters, queue)
					for owner, n := range result.ByTenant {
						fmt.Fprintf(w, "tenant %s\t%d\n", owner, n)
					}
				})
			}, (*installation).openDatabase)
		},
	}
	cmd.Flags().StringVar(&queue, "queue", "", "the queue to take messages from (required)")
	cmd.Flags().StringVar(&tenant, "tenant", "", "id or name of the tenant that all of them are of")
	cmd.Flags().Int64Var(&limit, "limit", 0, "messages at most; all where left out")
	whyFlag(cmd, &why)
	return cmd
}

func (in *installation) importLetters(ctx context.Context, queue, tenant, why string, limit int64) (replay.Import, error) {
	if strings.HasPrefix(queue, in.topology.Namespace+".") {
		return replay.Import{}, badInput("--queue %q is one of reos' own: its workers take care of it", queue)
	}
	owner, err := in.importOwner(ctx, tenant)
	if err != nil {
		return replay.Import{}, err
	}
	transport, err := in.openForeign(ctx, queue)
	if err != nil {
		return replay.Import{}, err
	}
	messages, err := transport.Subscribe(ctx, queue)
	if err != nil {
		return replay.Import{}, environmentError{err}
	}
	bar := in.console.progress(-1, "letters", false)
	result, err := replay.Foreign(ctx, queue, messages, owner.of, func(ctx context.Context, tenant uuid.UUID, letters []store.DeadLetter) error {
		for i := range letters {
			owner.readdress(&letters[i])
		}
		return in.db.Tenant(tenant).SaveDeadLetters(ctx, letters)
	}, limit, func(n int) { _ = bar.Add(n) })
	_ = bar.Finish()
	return result, errors.Join(err, in.auditImport(context.WithoutCancel(ctx), queue, why, result))
}

// openForeign connects to the broker, and makes sure that the queue is there.
func (in *installation) openForeign(ctx context.Context, queue string) (*rabbitmq.Transport, error) {
	if err := in.config.demand(envRabbitMQ); err != nil {
		return nil, err
	}
	transport, err := rabbitmq.Open(ctx, in.config.RabbitMQ, in.topology, in.log)
	if err != nil {
		return nil, environmentError{err}
	}
	in.teardown.add("transport", func(context.Context) error { return transport.Close() })
	err = transport.Adopt(ctx, queue)
	if errors.Is(err, events.ErrUnroutable) {
		return nil, badInput("--queue: there is no queue %q on this broker", queue)
	}
	if err != nil {
		return nil, environmentError{err}
	}
	return transport, nil
}

// importOwner says whose letters are.
type importOwner struct {
	all   *uuid.UUID // everything is this tenant's
	known map[uuid.UUID]bool
}

func (in *installation) importOwner(ctx context.Context, tenant string) (importOwner, error) {
	owner := importOwner{known: map[uuid.UUID]bool{}}
	if tenant != "" {
		found, err := in.tenant(ctx, tenant)
		owner.all = &found.ID
		return owner, err
	}
	tenants, err := in.db.Platform().Tenants(ctx)
	for _, one := range tenants {
		owner.known[one.ID] = true
	}
	return owner, err
}

func (o importOwner) of(routingKey string) uuid.UUID {
	if o.all != nil {
		return *o.all
	}
	if id, ok := events.RoutingTenant(routingKey); ok && o.known[id] {
		return id
	}
	return store.PlatformTenant
}

// readdress gives a letter of a named tenant the routing key that it would have had here.
func (o importOwner) readdress(l *store.DeadLetter) {
	if routed, ok := events.RoutingTenant(l.RoutingKey); o.all != nil && (!ok || routed != *o.all) && l.EventType != "" {
		l.RoutingKey = o.all.String() + "." + l.EventType
	}
}

// auditImport notes what was brought here: an entry for each tenant that got letters.
func (in *installation) auditImport(ctx context.Context, queue, why string, result replay.Import) error {
	for tenant, n := range result.ByTenant {
		details, err := json.Marshal(map[string]any{"letters": n})
		if err != nil {
			return err
		}
		entry := store.AuditEntry{
			Tenant: tenant, Actor: in.config.actor(), Action: store.LettersImportedAct, Subject: queue, Why: why, Details: details,
		}
		if err := in.db.Platform().Audit(ctx, entry); err != nil {
			return err
		}
	}
	return nil
}
