package events

import (
	"fmt"
	"slices"
)

// Kind is the type of a field in the contract.
type Kind string

// The kinds. What each reads and how it is written in a normalised Doc:
const (
	KindText      Kind = "text"      // string, spaces around it trimmed; numbers are taken as they are written
	KindTextList  Kind = "text list" // array of strings; one string is split at commas, as older feeds send lists
	KindDecimal   Kind = "decimal"   // number with Precision digits, Scale of them behind the point; never rounded
	KindDegrees   Kind = "degrees"   // a decimal that is rounded to its Scale: coordinates come with digits of noise
	KindInteger   Kind = "integer"   // whole number of at most Precision digits; 3.0 is taken as 3
	KindBoolean   Kind = "boolean"   // true or false; also yes/no, y/n, t/f, 1/0 as text or number
	KindDate      Kind = "date"      // YYYY-MM-DD
	KindTimestamp Kind = "timestamp" // RFC 3339 in UTC, microseconds
)

// Field is one field that the contract knows. Which values of a type make sense is for quality to say.
type Field struct {
	Name             string
	Kind             Kind
	Precision, Scale int // decimal and degrees: digits in all, and behind the point; integer: Precision only
	MaxLength        int // text and each item of a list: characters; 0 = no limit but MaxDataBytes
}

// Must says what the field must be, as the end of a sentence.
func (f Field) Must() string {
	switch f.Kind {
	case KindText:
		if f.MaxLength > 0 {
			return fmt.Sprintf("text of at most %d characters", f.MaxLength)
		}
		return "text"
	case KindTextList:
		return fmt.Sprintf("a list of texts of at most %d characters", f.MaxLength)
	case KindDecimal, KindDegrees:
		return fmt.Sprintf("a decimal of at most %d digits, %d of them behind the point", f.Precision, f.Scale)
	case KindInteger:
		return fmt.Sprintf("a whole number of at most %d digits", f.Precision)
	case KindBoolean:
		return "true or false"
	case KindDate:
		return "a date such as 2026-01-31"
	case KindTimestamp:
		return "an RFC 3339 time such as 2026-01-31T12:00:00Z"
	}
	return string(f.Kind)
}

// ModificationTimestamp is the field that every record's version is taken from.
const ModificationTimestamp = "ModificationTimestamp"

// Fields lists the fields that the contract knows of a record type, in the order of their documentation. Records
// may hold others: they are kept as they come.
func Fields(record RecordType) []Field { return slices.Clone(contract[record].fields) }

// KeyField names the field that holds a record's key.
func KeyField(record RecordType) string { return contract[record].key }

// fieldTable is the contract of one record type.
type fieldTable struct {
	key    string
	fields []Field
	byName map[string]Field
}

// contract holds every record type's table. It is never written to.
var contract = map[RecordType]fieldTable{
	Property:  newFieldTable("ListingKey", propertyFields()),
	Ownership: newFieldTable("OwnershipKey", ownershipFields()),
	Prospect:  newFieldTable("ProspectKey", prospectFields()),
	Lease:     newFieldTable("LeaseKey", leaseFields()),
	Offer:     newFieldTable("OfferKey", offerFields()),
	Document:  newFieldTable("DocumentKey", documentFields()),
}

// newFieldTable completes fields by what every record has: its key first, its version last.
func newFieldTable(key string, fields []Field) fieldTable {
	fields = slices.Insert(fields, 0, Field{Name: key, Kind: KindText, MaxLength: MaxKeyBytes})
	fields = append(fields,
		text("OriginatingSystemName", 255), text("OriginatingSystemKey", 255), timestamp(ModificationTimestamp))
	byName := make(map[string]Field, len(fields))
	for _, field := range fields {
		byName[field.Name] = field
	}
	return fieldTable{key: key, fields: fields, byName: byName}
}

func text(name string, maxLength int) Field {
	return Field{Name: name, Kind: KindText, MaxLength: maxLength}
}

func textList(name string) Field { return Field{Name: name, Kind: KindTextList, MaxLength: 255} }

func decimal(name string, precision, scale int) Field {
	return Field{Name: name, Kind: KindDecimal, Precision: precision, Scale: scale}
}

func money(name string) Field { return decimal(name, 14, 2) }

func area(name string) Field { return decimal(name, 14, 2) }

func degrees(name string) Field {
	return Field{Name: name, Kind: KindDegrees, Precision: 12, Scale: 8}
}

func integer(name string, precision int) Field {
	return Field{Name: name, Kind: KindInteger, Precision: precision}
}

func boolean(name string) Field { return Field{Name: name, Kind: KindBoolean} }

func date(name string) Field { return Field{Name: name, Kind: KindDate} }

func timestamp(name string) Field { return Field{Name: name, Kind: KindTimestamp} }
