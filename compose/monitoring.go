// Package compose holds the stack in containers and what watches it: Prometheus' rules, Alertmanager's routes, Grafana's
// dashboards. In Go it only reads them, so that tests can hold them to the program and to the runbooks.
package compose

import (
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"

	"github.com/VictoriaMetrics/metricsql"
	"github.com/goccy/go-yaml"
)

//go:generate go run ./grafana/generate grafana/dashboards

//go:embed prometheus/rules grafana/dashboards
var files embed.FS

// Rule is one rule of Prometheus: it records, or alerts.
type Rule struct {
	File        string
	Record      string            `yaml:"record"`
	Alert       string            `yaml:"alert"`
	Expr        string            `yaml:"expr"`
	For         string            `yaml:"for"`
	Labels      map[string]string `yaml:"labels"`
	Annotations map[string]string `yaml:"annotations"`
}

// Rules reads all rules, in the order of their files.
func Rules() ([]Rule, error) {
	var rules []Rule
	err := each("prometheus/rules", func(name string, content []byte) error {
		var file struct {
			Groups []struct {
				Rules []Rule `yaml:"rules"`
			} `yaml:"groups"`
		}
		if err := yaml.Unmarshal(content, &file); err != nil {
			return err
		}
		for _, group := range file.Groups {
			for _, rule := range group.Rules {
				rule.File = name
				rules = append(rules, rule)
			}
		}
		return nil
	})
	return rules, err
}

// Query is one query of a dashboard.
type Query struct {
	Dashboard, Panel string // Panel is empty for a variable of the dashboard
	Expr             string // with Grafana's variables put in: intervals as 5m, choices as .*
}

// grafana replaces the variables of the dashboards by values that a query can have.
var grafana = strings.NewReplacer("$__rate_interval", "5m", "$__range", "6h", "$tenant", ".*", "$instance", ".*")

// choices finds the expression in the query of a dashboard's variable.
var choices = regexp.MustCompile(`^(?:query_result|label_values)\((.+?)(?:, \w+)?\)$`)

// Queries reads every query of every panel, and of the dashboards' variables.
func Queries() ([]Query, error) {
	var queries []Query
	err := each("grafana/dashboards", func(_ string, content []byte) error {
		var board struct {
			UID        string
			Templating struct{ List []struct{ Definition string } }
			Panels     []struct {
				Title   string
				Targets []struct{ Expr string }
			}
		}
		if err := json.Unmarshal(content, &board); err != nil {
			return err
		}
		for _, variable := range board.Templating.List {
			match := choices.FindStringSubmatch(variable.Definition)
			if match == nil {
				return fmt.Errorf("no expression in the variable's query %s", variable.Definition)
			}
			queries = append(queries, Query{Dashboard: board.UID, Expr: match[1]})
		}
		for _, panel := range board.Panels {
			for _, target := range panel.Targets {
				queries = append(queries, Query{board.UID, panel.Title, grafana.Replace(target.Expr)})
			}
		}
		return nil
	})
	return queries, err
}

// each reads the files of a folder.
func each(folder string, read func(name string, content []byte) error) error {
	entries, err := fs.ReadDir(files, folder)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		name := folder + "/" + entry.Name()
		content, err := fs.ReadFile(files, name)
		if err == nil {
			err = read(name, content)
		}
		if err != nil {
			return fmt.Errorf("read %s: %w", name, err)
		}
	}
	return nil
}

// Selector is a metric that an expression reads, and the labels that it asks for: in matchers, and in the `by` of the
// aggregations around it.
type Selector struct {
	Metric string
	Labels []string
}

// Selectors finds every metric that an expression reads. Labels that a label_replace or a join adds are not asked of the
// metrics below it.
func Selectors(expr string) ([]Selector, error) {
	parsed, err := metricsql.Parse(expr)
	if err != nil {
		return nil, fmt.Errorf("parse %s: %w", expr, err)
	}
	return selectors(parsed, nil), nil
}

// selectors walks down; asked are the labels that are wanted from above.
func selectors(expr metricsql.Expr, asked []string) []Selector {
	var found []Selector
	into := func(children []metricsql.Expr, asked []string) {
		for _, child := range children {
			found = append(found, selectors(child, asked)...)
		}
	}
	switch e := expr.(type) {
	case *metricsql.MetricExpr:
		for _, filters := range e.LabelFilterss {
			s := Selector{Labels: slices.Clone(asked)}
			for _, filter := range filters {
				if filter.Label == "__name__" {
					s.Metric = filter.Value
				} else {
					s.Labels = append(s.Labels, filter.Label)
				}
			}
			found = append(found, s)
		}
	case *metricsql.AggrFuncExpr:
		if strings.EqualFold(e.Modifier.Op, "by") {
			asked = e.Modifier.Args // what is wanted from above must be among these, or comes from elsewhere
		}
		into(e.Args, asked)
	case *metricsql.BinaryOpExpr:
		joined := e.JoinModifier.Args
		if strings.EqualFold(e.GroupModifier.Op, "on") {
			into([]metricsql.Expr{e.Left}, slices.Concat(without(asked, joined), e.GroupModifier.Args))
			into([]metricsql.Expr{e.Right}, slices.Concat(e.GroupModifier.Args, joined))
			break
		}
		into([]metricsql.Expr{e.Left, e.Right}, asked)
	case *metricsql.FuncExpr:
		if e.Name == "label_replace" && len(e.Args) > 1 {
			if added, ok := e.Args[1].(*metricsql.StringExpr); ok {
				asked = without(asked, []string{added.S})
			}
		}
		into(e.Args, asked)
	case *metricsql.RollupExpr:
		into([]metricsql.Expr{e.Expr}, asked)
	}
	return found
}

// without is a copy of labels without some of them.
func without(labels, some []string) []string {
	return slices.DeleteFunc(slices.Clone(labels), func(label string) bool { return slices.Contains(some, label) })
}
