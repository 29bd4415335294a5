package embedding

import (
	"strconv"
	"strings"

	"github.com/codybias9/real-estate-os/events"
)

// Text says in plain words what search should find a property by: one line per fact, remarks last. The same document
// gives the same text; what is not in it (dates, agents, fees) does not move the vector.
//
// Numbers stand beside the words that people use with them ("3 bedrooms", "price 450000"), so that a query says the
// same thing the same way.
func Text(doc events.Doc) string {
	t := text{doc: doc}
	t.b.Grow(1024)
	t.line(t.summary())
	t.line(doc.Address())
	t.line(t.words("City", "StateOrProvince", "PostalCode", "CountyOrParish", "SubdivisionName"))
	t.fact("status ", "StandardStatus", "")
	t.fact("", "BedroomsTotal", " bedrooms")
	t.fact("", "BathroomsTotalInteger", " bathrooms")
	if area, ok := doc.LivingSquareFeet(); ok {
		t.line(strconv.FormatFloat(area, 'f', 0, 64) + " square feet")
	}
	if !t.fact("price ", "ListPrice", "") {
		t.fact("price ", "ClosePrice", "")
	}
	t.fact("lot ", "LotSizeSquareFeet", " square feet")
	t.fact("", "LotSizeAcres", " acres")
	t.fact("built ", "YearBuilt", "")
	t.fact("", "StoriesTotal", " stories")
	for _, said := range features {
		if value, _ := doc.Bool(said.field); value {
			t.line(said.words)
		}
	}
	for _, field := range lists {
		items, _ := doc.List(field)
		t.line(strings.Join(items, ", "))
	}
	t.line(t.words("PublicRemarks"))
	return t.b.String()
}

// features are said where their field is true.
var features = []struct{ field, words string }{
	{"WaterfrontYN", "waterfront"},
	{"ViewYN", "view"},
	{"PoolPrivateYN", "private pool"},
	{"GarageYN", "garage"},
	{"FireplaceYN", "fireplace"},
	{"NewConstructionYN", "new construction"},
}

var lists = []string{
	"View", "WaterfrontFeatures", "ArchitecturalStyle", "PropertyCondition", "InteriorFeatures", "ExteriorFeatures",
	"Appliances", "Heating", "Cooling",
}

// text is the text of a property as it grows.
type text struct {
	doc events.Doc
	b   strings.Builder
}

func (t *text) line(words string) {
	if words == "" {
		return
	}
	if t.b.Len() > 0 {
		t.b.WriteByte('\n')
	}
	t.b.WriteString(words)
}

// fact writes a field between the words around it. It reports false where the field says nothing.
func (t *text) fact(before, field, after string) bool {
	value, ok := t.doc.Text(field)
	if number, isNumber := t.doc.Decimal(field); isNumber {
		value, ok = string(number), true
	}
	if ok {
		t.line(before + value + after)
	}
	return ok
}

// words joins the texts of fields.
func (t *text) words(fields ...string) string {
	var all []string
	for _, field := range fields {
		if value, ok := t.doc.Text(field); ok {
			all = append(all, value)
		}
	}
	return strings.Join(all, " ")
}

// summary is how people would call it: "waterfront Single Family Residence home in Kirkland".
func (t *text) summary() string {
	parts := make([]string, 0, 5)
	if waterfront, _ := t.doc.Bool("WaterfrontYN"); waterfront {
		parts = append(parts, "waterfront")
	}
	kind, _ := t.doc.Text("PropertyType")
	if subType, ok := t.doc.Text("PropertySubType"); ok {
		parts = append(parts, subType)
	} else if kind != "" {
		parts = append(parts, kind)
	}
	if kind == "" || strings.HasPrefix(kind, "Residential") {
		parts = append(parts, "home")
	}
	if city, ok := t.doc.Text("City"); ok {
		parts = append(parts, "in", city)
	}
	return strings.Join(parts, " ")
}
