package api

import (
	"reflect"

	"github.com/danielgtaylor/huma/v2"
)

// optional is a parameter whose absence means something else than its zero value.
type optional[T any] struct {
	value T
	set   bool
}

// Receiver implements huma.ParamWrapper.
func (o *optional[T]) Receiver() reflect.Value { return reflect.ValueOf(&o.value).Elem() }

// OnParamSet implements huma.ParamReactor.
func (o *optional[T]) OnParamSet(isSet bool, _ any) { o.set = isSet }

// Schema implements huma.SchemaProvider.
func (o *optional[T]) Schema(registry huma.Registry) *huma.Schema {
	return huma.SchemaFromType(registry, reflect.TypeFor[T]())
}

// pointer is nil where the parameter was left out.
func (o *optional[T]) pointer() *T {
	if !o.set {
		return nil
	}
	return &o.value
}
