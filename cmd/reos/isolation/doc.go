// Package isolation tries to get from one tenant to another's data, at every layer that must prevent it, and says what
// came of it.
//
// Attempts are data: each has a name, a layer and a function that tries. They run between two canaries, tenants that
// exist for nothing else: the attacker, whose tokens, handles and sessions are used, and the victim, in whose every
// table, object, point and letter lies a secret. A secret that the attacker sees is a leak, and so is a change in what
// is the victim's. Where a schema, a handle or an API may grow, attempts are derived from it: a new table, method or
// endpoint is attacked too, or is reported by name as one that nobody attacks.
//
// Verify runs the attempts once, Prober at intervals. Both work against any installation and touch no customer.
//
// Reading order: attempt.go, world.go, canary.go, plant.go (what there is to steal), settle.go, verify.go, report.go; then
// the layers: envelope.go and broker.go, api.go, tokens.go, approaches.go and endpoints.go, types.go, session.go and
// sql_*.go, vectors.go, s3.go, telemetry.go; prober.go.
package isolation
