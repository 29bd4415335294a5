package quality

import "github.com/codybias9/real-estate-os/events"

// Builtin is the suite that records of a type are judged by. Every type has one.
func Builtin(record events.RecordType) Suite {
	return NewSuite("builtin-"+string(record)+"@1", record, builtin[record]()...)
}

var builtin = map[events.RecordType]func() []Expectation{
	events.Property:  propertyExpectations,
	events.Ownership: ownershipExpectations,
	events.Prospect:  prospectExpectations,
	events.Lease:     leaseExpectations,
	events.Offer:     offerExpectations,
	events.Document:  documentExpectations,
}

// maxMoney is more than any property, and so any payment for one, costs.
const maxMoney = 1e9
