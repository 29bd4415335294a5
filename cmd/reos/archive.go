package main

import (
	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/store/objects"
	"github.com/codybias9/real-estate-os/workers/archive"
	"github.com/codybias9/real-estate-os/workers/reconcile"
)

// archiving is the task that gathers staged raw bytes into objects.
func (in *installation) archiving(client *objects.Client) reconcile.Task {
	archiver := archive.New(in.db.Platform(),
		func(id uuid.UUID) archive.Records { return in.db.Tenant(id) },
		func(id uuid.UUID) archive.Objects { return client.Tenant(id) },
		in.config.Archive, archive.NewMetrics(in.registry), in.log)
	return reconcile.Task{Name: "archive", Every: in.config.Archive.Every(), Run: archiver.Run, Retire: archiver.Retire}
}
