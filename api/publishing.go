package api

import (
	"github.com/google/uuid"
)

// Publishing is a tenant's part of Postgres, as everything that publishes needs it and asks for it again.
type Publishing interface {
	Receipts
	Trails
	Runs
	Reruns
}

// registerPublishing adds events, receipts, feeds and runs, and returns what else publishes.
func (s *Server) registerPublishing(parts Parts) *intake {
	in := newIntake(s.config, parts)
	runs := func(tenant uuid.UUID) Runs { return parts.Publishing(tenant) }
	s.registerEvents(in)
	s.registerReceipts(func(tenant uuid.UUID) Trails { return parts.Publishing(tenant) })
	s.registerFeeds(in, runs, parts.Mappings)
	s.registerRuns(runs)
	s.registerReruns(func(tenant uuid.UUID) Reruns { return parts.Publishing(tenant) }, parts.Model)
	return in
}
