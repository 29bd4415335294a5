package api

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// fieldDoc is a parameter, or a member of a body.
type fieldDoc struct {
	Name, Type, Text string
	In               string // of parameters: path, query or header
	Required         bool
	Rules            []string
	Depth            int
	Example          any // nil or anyText = none that says anything
}

// maxDepth bounds what is shown of types that hold themselves.
const maxDepth = 5

// schemaReader reads schemas for people.
type schemaReader struct{ registry huma.Registry }

func (r schemaReader) resolve(schema *huma.Schema) *huma.Schema {
	if schema == nil {
		return &huma.Schema{}
	}
	if schema.Ref != "" {
		return r.registry.SchemaFromRef(schema.Ref)
	}
	return schema
}

const plainJSON = "application/json"

// contents reads bodies, first those with an example and a type that says what is in them.
func (r schemaReader) contents(content map[string]*huma.MediaType) []contentDoc {
	var docs []contentDoc
	for _, mediaType := range slices.Sorted(maps.Keys(content)) {
		media := content[mediaType]
		doc := contentDoc{Type: mediaType, Fields: r.fields("", r.resolve(media.Schema), 0)}
		sample := media.Example
		if sample == nil && strings.Contains(mediaType, "json") {
			sample = r.example(media.Schema, 0)
		}
		doc.Example = printed(sample)
		docs = append(docs, doc)
	}
	slices.SortStableFunc(docs, func(a, b contentDoc) int {
		return cmp.Or(boolRank(a.Example == "")-boolRank(b.Example == ""), boolRank(a.Type == plainJSON)-boolRank(b.Type == plainJSON))
	})
	return docs
}

// printed writes an example as it goes over the wire.
func printed(sample any) string {
	switch sample := sample.(type) {
	case nil:
		return ""
	case string:
		return sample
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(sample); err != nil {
		return ""
	}
	return strings.TrimSpace(out.String())
}

// fields lists the members of an object, each followed by those that it holds.
func (r schemaReader) fields(prefix string, schema *huma.Schema, depth int) []fieldDoc {
	if depth > maxDepth {
		return nil
	}
	if schema.Type == huma.TypeArray {
		return r.fields(prefix+"[]", r.resolve(schema.Items), depth)
	}
	if prefix != "" {
		prefix = strings.TrimPrefix(prefix, "[]") + "."
		prefix = strings.TrimPrefix(prefix, ".")
	}
	var fields []fieldDoc
	for _, name := range slices.Sorted(maps.Keys(schema.Properties)) {
		fields = append(fields, r.member(prefix+name, schema.Properties[name], slices.Contains(schema.Required, name), depth)...)
	}
	if values, ok := schema.AdditionalProperties.(*huma.Schema); ok {
		fields = append(fields, r.member(prefix+"*", values, false, depth)...)
	}
	return fields
}

func (r schemaReader) member(name string, schema *huma.Schema, required bool, depth int) []fieldDoc {
	field := r.field(name, schema, required)
	field.Depth = depth
	return append([]fieldDoc{field}, r.fields(name, r.resolve(schema), depth+1)...)
}

func (r schemaReader) field(name string, schema *huma.Schema, required bool) fieldDoc {
	resolved := r.resolve(schema)
	field := fieldDoc{Name: name, Type: r.typeOf(resolved), Required: required, Rules: rulesOf(resolved), Text: resolved.Description}
	if schema != nil && schema.Description != "" {
		field.Text = schema.Description // of this member, not of all of its type
	}
	field.Example = r.example(resolved, 0)
	return field
}

func (r schemaReader) typeOf(schema *huma.Schema) string {
	text := schema.Type
	switch {
	case schema.Type == huma.TypeArray:
		text = "array of " + r.typeOf(r.resolve(schema.Items))
	case schema.Type == "":
		text = "any"
	case schema.Format != "" && schema.Format != schema.Type:
		text += " (" + schema.Format + ")"
	}
	if schema.Nullable {
		text += " or null"
	}
	return text
}

// rulesOf says what a value must be, beyond its type.
func rulesOf(schema *huma.Schema) []string {
	var rules []string
	add := func(format string, args ...any) { rules = append(rules, fmt.Sprintf(format, args...)) }
	if len(schema.Enum) == 1 {
		add("always %v", schema.Enum[0])
	} else if len(schema.Enum) > 1 {
		add("one of %s", listed(schema.Enum))
	}
	if schema.Minimum != nil {
		add("%s or more", number(*schema.Minimum))
	}
	if schema.ExclusiveMinimum != nil {
		add("more than %s", number(*schema.ExclusiveMinimum))
	}
	if schema.Maximum != nil {
		add("%s or less", number(*schema.Maximum))
	}
	if schema.ExclusiveMaximum != nil {
		add("less than %s", number(*schema.ExclusiveMaximum))
	}
	rules = append(rules, lengthRules(schema)...)
	if schema.PatternDescription != "" {
		add("%s", schema.PatternDescription)
	} else if schema.Pattern != "" {
		add("matches %s", schema.Pattern)
	}
	if schema.Default != nil {
		add("default %v", schema.Default)
	}
	if len(schema.Examples) > 0 && schema.Type != huma.TypeObject && schema.Type != huma.TypeArray {
		add("such as %v", schema.Examples[0])
	}
	return rules
}

func lengthRules(schema *huma.Schema) []string {
	var rules []string
	for _, bound := range []struct {
		value  *int
		format string
	}{
		{schema.MinLength, "%d characters or more"},
		{schema.MaxLength, "%d characters or less"},
		{schema.MinItems, "%d items or more"},
		{schema.MaxItems, "%d items or less"},
	} {
		if bound.value != nil {
			rules = append(rules, fmt.Sprintf(bound.format, *bound.value))
		}
	}
	return rules
}

func listed(values []any) string {
	words := make([]string, len(values))
	for i, value := range values {
		words[i] = fmt.Sprint(value)
	}
	return strings.Join(words, ", ")
}

func number(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

// example makes a value that a schema allows, from the examples of its members.
func (r schemaReader) example(schema *huma.Schema, depth int) any {
	schema = r.resolve(schema)
	switch {
	case len(schema.Examples) > 0:
		return schema.Examples[0]
	case schema.Default != nil:
		return schema.Default
	case len(schema.Enum) > 0:
		return schema.Enum[0]
	case depth > maxDepth:
		return nil
	}
	switch schema.Type {
	case huma.TypeObject:
		members := map[string]any{}
		for name, member := range schema.Properties {
			members[name] = r.example(member, depth+1)
		}
		return members
	case huma.TypeArray:
		return []any{r.example(schema.Items, depth+1)}
	case huma.TypeString:
		return exampleText(schema.Format)
	case huma.TypeInteger, huma.TypeNumber:
		if schema.Minimum != nil {
			return *schema.Minimum
		}
		return 1
	case huma.TypeBoolean:
		return true
	}
	return nil
}

func exampleText(format string) string {
	switch format {
	case "uuid":
		return "0b8f1c52-5d0f-4a3e-9a53-4f6b1f6f2f10"
	case "date-time":
		return "2026-01-31T12:00:00Z"
	case "date":
		return "2026-01-31"
	}
	return anyText
}

// anyText is an example of a text that may be anything.
const anyText = "…"
