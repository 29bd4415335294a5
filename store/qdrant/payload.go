package qdrant

import (
	"encoding/base64"
	"fmt"
	"math"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	pb "github.com/qdrant/go-client/qdrant"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

// The names of the payload's fields, as other readers of the collection see them.
const (
	fieldTenant          = "tenant_id"
	fieldKey             = "record_key"
	fieldKeyBytes        = "record_key_base64" // in place of record_key where that is not UTF-8, which gRPC cannot carry
	fieldVersionAt       = "version_at"        // RFC 3339, UTC
	fieldVersionSequence = "version_sequence"
	fieldAddress         = "address"
	fieldCity            = "city"
	fieldPostalCode      = "postal_code"
	fieldStatus          = "status"
	fieldListPrice       = "list_price"
	fieldBedrooms        = "bedrooms"
	fieldBathrooms       = "bathrooms"
	fieldLivingArea      = "living_area" // square feet
	fieldYearBuilt       = "year_built"
	fieldLocation        = "location" // {lon, lat} in degrees; only where both are known
	fieldLon             = "lon"
	fieldLat             = "lat"
)

// versionFields are what decodeVersion reads.
var versionFields = []string{fieldKey, fieldKeyBytes, fieldVersionAt, fieldVersionSequence}

// encodePayload leaves out what the record does not say, so that filters on it do not match.
func encodePayload(tenant uuid.UUID, point store.Point) (map[string]*pb.Value, error) {
	p := point.Payload
	fields := payload{
		fieldTenant:          pb.NewValueString(tenant.String()),
		fieldVersionAt:       pb.NewValueString(point.Version.At.UTC().Format(time.RFC3339Nano)),
		fieldVersionSequence: pb.NewValueInt(point.Version.Sequence),
	}
	if utf8.ValidString(point.Key) {
		fields[fieldKey] = pb.NewValueString(point.Key)
	} else {
		fields[fieldKeyBytes] = pb.NewValueString(base64.StdEncoding.EncodeToString([]byte(point.Key)))
	}
	for name, text := range map[string]string{
		fieldAddress: p.Address, fieldCity: p.City, fieldPostalCode: p.PostalCode, fieldStatus: p.Status,
	} {
		if err := fields.putText(name, text); err != nil {
			return nil, err
		}
	}
	for name, number := range map[string]*int64{
		fieldBedrooms: p.Bedrooms, fieldBathrooms: p.Bathrooms, fieldYearBuilt: p.YearBuilt,
	} {
		if number != nil {
			fields[name] = pb.NewValueInt(*number)
		}
	}
	for name, number := range map[string]*float64{fieldListPrice: p.ListPrice, fieldLivingArea: p.LivingArea} {
		if err := fields.putFloat(name, number); err != nil {
			return nil, err
		}
	}
	return fields, fields.putLocation(p.Longitude, p.Latitude)
}

// payload is the server's form of a point's fields.
type payload map[string]*pb.Value

func (f payload) putText(name, text string) error {
	if text == "" {
		return nil
	}
	if !utf8.ValidString(text) {
		return fmt.Errorf("%s is not UTF-8", name)
	}
	f[name] = pb.NewValueString(text)
	return nil
}

func (f payload) putFloat(name string, number *float64) error {
	if number == nil {
		return nil
	}
	if math.IsNaN(*number) || math.IsInf(*number, 0) {
		return fmt.Errorf("%s is not a finite number", name)
	}
	f[name] = pb.NewValueDouble(*number)
	return nil
}

func (f payload) putLocation(lon, lat *float64) error {
	if lon == nil || lat == nil {
		return nil
	}
	place := payload{}
	if err := place.putFloat(fieldLon, lon); err != nil {
		return err
	}
	if err := place.putFloat(fieldLat, lat); err != nil {
		return err
	}
	f[fieldLocation] = pb.NewValueFromFields(place)
	return nil
}

func decodeHit(point *pb.ScoredPoint) (store.Hit, error) {
	fields := payload(point.GetPayload())
	key, version, err := decodeVersion(fields)
	if err != nil {
		return store.Hit{}, fmt.Errorf("point %s: %w", point.GetId().GetUuid(), err)
	}
	place := payload(fields[fieldLocation].GetStructValue().GetFields())
	return store.Hit{Key: key, Score: point.GetScore(), Version: version, Payload: store.Payload{
		Address:    fields[fieldAddress].GetStringValue(),
		City:       fields[fieldCity].GetStringValue(),
		PostalCode: fields[fieldPostalCode].GetStringValue(),
		Status:     fields[fieldStatus].GetStringValue(),
		ListPrice:  fields.float(fieldListPrice),
		Bedrooms:   fields.integer(fieldBedrooms),
		Bathrooms:  fields.integer(fieldBathrooms),
		LivingArea: fields.float(fieldLivingArea),
		YearBuilt:  fields.integer(fieldYearBuilt),
		Latitude:   place.float(fieldLat),
		Longitude:  place.float(fieldLon),
	}}, nil
}

func decodeVersion(fields payload) (string, events.Version, error) {
	key := fields[fieldKey].GetStringValue()
	if encoded := fields[fieldKeyBytes].GetStringValue(); encoded != "" {
		decoded, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil {
			return "", events.Version{}, fmt.Errorf("decode %s: %w", fieldKeyBytes, err)
		}
		key = string(decoded)
	}
	at, err := time.Parse(time.RFC3339Nano, fields[fieldVersionAt].GetStringValue())
	if err != nil {
		return "", events.Version{}, fmt.Errorf("decode %s: %w", fieldVersionAt, err)
	}
	return key, events.NewVersion(at, fields[fieldVersionSequence].GetIntegerValue()), nil
}

func (f payload) integer(name string) *int64 {
	value, ok := f[name].GetKind().(*pb.Value_IntegerValue)
	if !ok {
		return nil
	}
	return &value.IntegerValue
}

// float takes an integer too: JSON, in which the server keeps payloads, does not tell 5 from 5.0.
func (f payload) float(name string) *float64 {
	switch value := f[name].GetKind().(type) {
	case *pb.Value_DoubleValue:
		return &value.DoubleValue
	case *pb.Value_IntegerValue:
		return pb.PtrOf(float64(value.IntegerValue))
	default:
		return nil
	}
}
