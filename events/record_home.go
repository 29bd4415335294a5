package events

import "strings"

// Address gives a property's address: UnparsedAddress, else composed of its parts. It is empty where neither the
// one nor StreetNumber and StreetName are there: a town alone is no address.
func (d Doc) Address() string {
	if address, ok := d.Text("UnparsedAddress"); ok {
		return address
	}
	_, numbered := d.Text("StreetNumber")
	_, named := d.Text("StreetName")
	if !numbered || !named {
		return ""
	}
	street := d.join(" ", "StreetNumber", "StreetDirPrefix", "StreetName", "StreetSuffix", "StreetDirSuffix")
	if unit, ok := d.Text("UnitNumber"); ok {
		street += " #" + unit
	}
	parts := []string{street}
	if city, ok := d.Text("City"); ok {
		parts = append(parts, city)
	}
	if state := d.join(" ", "StateOrProvince", "PostalCode"); state != "" {
		parts = append(parts, state)
	}
	return strings.Join(parts, ", ")
}

// join joins the texts of the fields that are there.
func (d Doc) join(separator string, names ...string) string {
	var parts []string
	for _, name := range names {
		if text, ok := d.Text(name); ok {
			parts = append(parts, text)
		}
	}
	return strings.Join(parts, separator)
}

const squareFeetPerSquareMeter = 10.7639104

// LivingSquareFeet gives a property's LivingArea in square feet, from whichever LivingAreaUnits it came in.
func (d Doc) LivingSquareFeet() (float64, bool) {
	area, ok := d.Number("LivingArea")
	if !ok {
		return 0, false
	}
	if units, _ := d.Text("LivingAreaUnits"); strings.EqualFold(units, "Square Meters") {
		area *= squareFeetPerSquareMeter
	}
	return area, true
}
