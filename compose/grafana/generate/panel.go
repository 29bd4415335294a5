package main

// panel is one chart.
type panel struct {
	ID          int          `json:"id"`
	Type        string       `json:"type"`
	Title       string       `json:"title"`
	Description string       `json:"description,omitempty"`
	GridPos     gridPos      `json:"gridPos"`
	Datasource  *datasource  `json:"datasource,omitempty"`
	Targets     []target     `json:"targets,omitempty"`
	FieldConfig *fieldConfig `json:"fieldConfig,omitempty"`
	Options     any          `json:"options,omitempty"`
	Transform   []transform  `json:"transformations,omitempty"`
	Collapsed   bool         `json:"collapsed,omitempty"` // of a row
	Panels      *[]panel     `json:"panels,omitempty"`    // of a collapsed row
}

type gridPos struct {
	H int `json:"h"`
	W int `json:"w"`
	X int `json:"x"`
	Y int `json:"y"`
}

// target is one query of a panel.
type target struct {
	RefID        string     `json:"refId"`
	Datasource   datasource `json:"datasource"`
	Expr         string     `json:"expr"`
	LegendFormat string     `json:"legendFormat,omitempty"`
	Format       string     `json:"format"` // time_series, table or heatmap
	Instant      bool       `json:"instant"`
	Range        bool       `json:"range"`
}

type fieldConfig struct {
	Defaults  fieldDefaults `json:"defaults"`
	Overrides []any         `json:"overrides"`
}

type fieldDefaults struct {
	Unit       string         `json:"unit,omitempty"`
	Decimals   *int           `json:"decimals,omitempty"`
	Min        *float64       `json:"min,omitempty"`
	Max        *float64       `json:"max,omitempty"`
	Color      map[string]any `json:"color,omitempty"`
	Thresholds thresholds     `json:"thresholds"`
	Custom     map[string]any `json:"custom,omitempty"`
}

type thresholds struct {
	Mode  string `json:"mode"`
	Steps []step `json:"steps"`
}

// step is where a colour begins. The first step has no value: it begins below everything.
type step struct {
	Color string   `json:"color"`
	Value *float64 `json:"value"`
}

type transform struct {
	ID      string         `json:"id"`
	Options map[string]any `json:"options"`
}

// query is an expression and what its series are called.
type query struct{ expr, legend string }

// from makes a step.
func from(value float64, color string) step { return step{Color: color, Value: &value} }

// levels are thresholds that begin with the colour of the best.
func levels(first string, steps ...step) thresholds {
	return thresholds{Mode: "absolute", Steps: append([]step{{Color: first}}, steps...)}
}

var plain = levels("green")

// targets makes the queries of a panel.
func targets(format string, instant bool, queries []query) []target {
	made := make([]target, len(queries))
	for i, q := range queries {
		made[i] = target{
			RefID: string(rune('A' + i)), Datasource: prometheus, Expr: q.expr, LegendFormat: q.legend, Format: format,
			Instant: instant, Range: !instant,
		}
	}
	return made
}

// lines is a chart over time. Thresholds beyond the first are drawn as lines.
func lines(title, description, unit string, marks thresholds, queries ...query) panel {
	zero := 0.0
	style := "off"
	if len(marks.Steps) > 1 {
		style = "dashed"
	}
	return panel{
		Type: "timeseries", Title: title, Description: description, Datasource: &prometheus, Targets: targets("time_series", false, queries),
		FieldConfig: &fieldConfig{
			Defaults: fieldDefaults{
				Unit: unit, Min: &zero, Thresholds: marks, Color: map[string]any{"mode": "palette-classic"},
				Custom: map[string]any{
					"drawStyle": "line", "lineWidth": 1, "fillOpacity": 8, "showPoints": "never", "spanNulls": false,
					"thresholdsStyle": map[string]any{"mode": style},
				},
			},
			Overrides: []any{},
		},
		Options: map[string]any{
			"legend":  map[string]any{"displayMode": "list", "placement": "bottom", "showLegend": true, "calcs": []string{}},
			"tooltip": map[string]any{"mode": "multi", "sort": "desc"},
		},
	}
}

// stacked is a chart over time whose series add up.
func stacked(title, description, unit string, queries ...query) panel {
	p := lines(title, description, unit, plain, queries...)
	p.FieldConfig.Defaults.Custom["stacking"] = map[string]any{"mode": "normal", "group": "A"}
	p.FieldConfig.Defaults.Custom["fillOpacity"] = 30
	return p
}

// number shows the last value of each series, coloured by its level.
func number(title, description, unit string, marks thresholds, queries ...query) panel {
	return panel{
		Type: "stat", Title: title, Description: description, Datasource: &prometheus, Targets: targets("time_series", true, queries),
		FieldConfig: &fieldConfig{
			Defaults:  fieldDefaults{Unit: unit, Thresholds: marks, Color: map[string]any{"mode": "thresholds"}},
			Overrides: []any{},
		},
		Options: map[string]any{
			"reduceOptions": map[string]any{"calcs": []string{"lastNotNull"}, "fields": "", "values": false},
			"colorMode":     "value", "graphMode": "none", "textMode": "auto", "justifyMode": "auto", "orientation": "auto",
		},
	}
}

// bars shows the last value of each series side by side, as a share of one.
func bars(title, description string, marks thresholds, queries ...query) panel {
	p := number(title, description, "percentunit", marks, queries...)
	zero, one := 0.0, 1.0
	p.Type = "bargauge"
	p.FieldConfig.Defaults.Min, p.FieldConfig.Defaults.Max = &zero, &one
	p.Options = map[string]any{
		"reduceOptions": map[string]any{"calcs": []string{"lastNotNull"}, "fields": "", "values": false},
		"displayMode":   "basic", "orientation": "horizontal", "showUnfilled": true, "valueMode": "color",
	}
	return p
}

// table lists the labels of the series that a query has now.
func table(title, description string, hidden []string, queries ...query) panel {
	exclude := map[string]any{"Time": true}
	for _, column := range hidden {
		exclude[column] = true
	}
	return panel{
		Type: "table", Title: title, Description: description, Datasource: &prometheus, Targets: targets("table", true, queries),
		FieldConfig: &fieldConfig{
			Defaults:  fieldDefaults{Thresholds: plain, Custom: map[string]any{"align": "auto", "filterable": true}},
			Overrides: []any{},
		},
		Options:   map[string]any{"showHeader": true, "cellHeight": "sm", "footer": map[string]any{"show": false, "reducer": []string{"sum"}}},
		Transform: []transform{{ID: "organize", Options: map[string]any{"excludeByName": exclude}}},
	}
}

// heat is a heat map of a histogram's buckets.
func heat(title, description, unit, expr string) panel {
	return panel{
		Type: "heatmap", Title: title, Description: description, Datasource: &prometheus,
		Targets:     targets("heatmap", false, []query{{expr, "{{le}}"}}),
		FieldConfig: &fieldConfig{Defaults: fieldDefaults{Thresholds: plain}, Overrides: []any{}},
		Options: map[string]any{
			"calculate": false, "cellGap": 1, "rowsFrame": map[string]any{"layout": "auto"},
			"color":   map[string]any{"mode": "scheme", "scheme": "Oranges", "scale": "exponential", "exponent": 0.5, "steps": 64, "fill": "dark-orange", "reverse": false},
			"yAxis":   map[string]any{"axisPlacement": "left", "unit": unit, "reverse": false},
			"tooltip": map[string]any{"mode": "single", "showColorScale": true, "yHistogram": true},
			"legend":  map[string]any{"show": true}, "showValue": "never", "filterValues": map[string]any{"le": 1e-9},
		},
	}
}

// wide gives a panel a width of its own, in columns.
func wide(columns int, p panel) panel {
	p.GridPos.W = columns
	return p
}
