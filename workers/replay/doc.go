// Package replay is the dead-letter desk: it plans replays of dead letters, makes their messages anew, and gives up
// letters that nobody wants.
//
// Reading order: desk.go (who needs what), eligible.go (which letters may be replayed, and from where), edit.go (data that
// is changed on the way), plan.go (a frozen selection and its report), message.go and source.go (what goes out when the
// plan is run: see package runs), discard.go, foreign.go (letters of other queues).
package replay
