package main

import "cmp"

// dashboard is what Grafana reads of a dashboard, as far as these use it (schema version 39).
type dashboard struct {
	UID           string     `json:"uid"`
	Title         string     `json:"title"`
	Description   string     `json:"description"`
	Tags          []string   `json:"tags"`
	SchemaVersion int        `json:"schemaVersion"`
	Version       int        `json:"version"`
	Editable      bool       `json:"editable"`
	GraphTooltip  int        `json:"graphTooltip"` // 1 = one crosshair for all panels
	Refresh       string     `json:"refresh"`
	Timezone      string     `json:"timezone"`
	Time          timeRange  `json:"time"`
	Templating    templating `json:"templating"`
	Links         []link     `json:"links"`
	Panels        []panel    `json:"panels"`
}

type timeRange struct {
	From string `json:"from"`
	To   string `json:"to"`
}

type templating struct {
	List []variable `json:"list"`
}

// variable is a choice at the top of the dashboard, filled by a query.
type variable struct {
	Name       string     `json:"name"`
	Label      string     `json:"label"`
	Type       string     `json:"type"`
	Datasource datasource `json:"datasource"`
	Definition string     `json:"definition"`
	Query      varQuery   `json:"query"`
	Regex      string     `json:"regex"`
	Refresh    int        `json:"refresh"` // 2 = with the time range
	Sort       int        `json:"sort"`    // 1 = by text
	Multi      bool       `json:"multi"`
	IncludeAll bool       `json:"includeAll"`
	AllValue   string     `json:"allValue"`
	Current    choice     `json:"current"`
}

type varQuery struct {
	Query string `json:"query"`
	RefID string `json:"refId"`
}

type choice struct {
	Selected bool     `json:"selected"`
	Text     []string `json:"text"`
	Value    []string `json:"value"`
}

type link struct {
	Title       string   `json:"title"`
	Type        string   `json:"type"`
	Tags        []string `json:"tags"`
	AsDropdown  bool     `json:"asDropdown"`
	KeepTime    bool     `json:"keepTime"`
	IncludeVars bool     `json:"includeVars"`
}

type datasource struct {
	Type string `json:"type"`
	UID  string `json:"uid"`
}

// prometheus is the provisioned datasource.
var prometheus = datasource{Type: "prometheus", UID: "reos-prometheus"}

// board makes a dashboard of rows, laid out from top to bottom.
func board(uid, title, description string, choices []variable, rows ...row) dashboard {
	return dashboard{
		UID: uid, Title: title, Description: description, Tags: []string{"reos"}, SchemaVersion: 39, Version: 1,
		GraphTooltip: 1, Refresh: "30s", Timezone: "browser", Time: timeRange{From: "now-6h", To: "now"},
		Templating: templating{List: choices},
		Links:      []link{{Title: "reos", Type: "dashboards", Tags: []string{"reos"}, KeepTime: true, IncludeVars: true}},
		Panels:     layOut(rows),
	}
}

// choose makes a variable of several values, all of them at first.
func choose(name, label, query, regex string) variable {
	return variable{
		Name: name, Label: label, Type: "query", Datasource: prometheus, Definition: query,
		Query: varQuery{Query: query, RefID: name}, Regex: regex, Refresh: 2, Sort: 1, Multi: true, IncludeAll: true, AllValue: ".*",
		Current: choice{Selected: true, Text: []string{"All"}, Value: []string{"$__all"}},
	}
}

// row is a headline and the panels below it, side by side: at most so many across, all of them where across is 0.
type row struct {
	title  string
	height int // of a panel, in units of about 30 pixels
	across int
	panels []panel
}

// gridColumns is the width of what Grafana lays panels out on.
const gridColumns = 24

// layOut numbers the panels and gives each its place. The panels of a row share its width evenly, unless they name theirs.
func layOut(rows []row) []panel {
	var placed []panel
	y := 0
	for _, r := range rows {
		placed = append(placed, panel{Type: "row", Title: r.title, GridPos: gridPos{H: 1, W: gridColumns, Y: y}, Panels: &[]panel{}})
		y++
		x := 0
		for _, p := range r.panels {
			if p.GridPos.W == 0 {
				p.GridPos.W = gridColumns / cmp.Or(r.across, len(r.panels))
			}
			if x+p.GridPos.W > gridColumns {
				x, y = 0, y+r.height
			}
			p.GridPos.X, p.GridPos.Y, p.GridPos.H = x, y, r.height
			x += p.GridPos.W
			placed = append(placed, p)
		}
		y += r.height
	}
	for i := range placed {
		placed[i].ID = i + 1
	}
	return placed
}
