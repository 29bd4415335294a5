package indexing

import (
	"fmt"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

// point is what search holds of a property: its vector, and what can be filtered on and shown.
func point(state store.IndexState) (store.Point, error) {
	doc, err := events.ParseDoc(state.Record.Doc)
	if err != nil {
		return store.Point{}, fmt.Errorf("read record %q: %w", state.Record.Ref.Key, err)
	}
	return store.Point{
		Key: state.Record.Ref.Key, Version: state.Record.Version, Vector: state.Vector, Payload: payload(doc),
	}, nil
}

func payload(doc events.Doc) store.Payload {
	p := store.Payload{
		Address:    doc.Address(),
		ListPrice:  whenSaid(doc.Number("ListPrice")),
		Bedrooms:   whenSaid(doc.Integer("BedroomsTotal")),
		Bathrooms:  whenSaid(doc.Integer("BathroomsTotalInteger")),
		LivingArea: whenSaid(doc.LivingSquareFeet()),
		YearBuilt:  whenSaid(doc.Integer("YearBuilt")),
		Latitude:   whenSaid(doc.Number("Latitude")),
		Longitude:  whenSaid(doc.Number("Longitude")),
	}
	p.City, _ = doc.Text("City")
	p.PostalCode, _ = doc.Text("PostalCode")
	p.Status, _ = doc.Text("StandardStatus")
	return p
}

// whenSaid is a pointer to a value that the record holds, else nil.
func whenSaid[T any](value T, ok bool) *T {
	if !ok {
		return nil
	}
	return &value
}
