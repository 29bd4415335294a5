package compose_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/stretchr/testify/require"
)

func TestDashboardsAreWhatTheirSourceGenerates(t *testing.T) {
	fresh := t.TempDir()
	run(t, nil, "go", "run", "./grafana/generate", fresh)
	generated, err := filepath.Glob(filepath.Join(fresh, "*.json"))
	require.NoError(t, err)
	provisioned, err := filepath.Glob("grafana/dashboards/*")
	require.NoError(t, err)
	require.Len(t, generated, 2)
	require.Len(t, provisioned, len(generated), "nothing else is there")
	for _, file := range generated {
		want, err := os.ReadFile(file)
		require.NoError(t, err)
		got, err := os.ReadFile(filepath.Join("grafana/dashboards", filepath.Base(file)))
		require.NoError(t, err)
		require.Equal(t, string(want), string(got), "go generate ./compose")
	}
}

// board is what Grafana insists on, or trips over.
type board struct {
	UID, Title    string
	SchemaVersion int
	Panels        []struct {
		ID          int
		Type, Title string
		GridPos     struct{ H, W, X, Y int }
		Datasource  *source
		Targets     []struct {
			RefID, Expr string
			Datasource  source
		}
		FieldConfig struct {
			Defaults struct {
				Thresholds struct{ Steps []struct{ Value *float64 } }
			}
		}
	}
	Templating struct {
		List []struct {
			Name       string
			Datasource source
		}
	}
}

type source struct{ Type, UID string }

func TestDashboardsAreSound(t *testing.T) {
	var sources struct {
		Datasources []struct{ Type, UID string }
	}
	readYAML(t, "grafana/provisioning/datasources/prometheus.yaml", &sources)
	require.Len(t, sources.Datasources, 1)
	provisioned := source(sources.Datasources[0])

	files, err := filepath.Glob("grafana/dashboards/*.json")
	require.NoError(t, err)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			content, err := os.ReadFile(file)
			require.NoError(t, err)
			var b board
			require.NoError(t, json.Unmarshal(content, &b))
			require.Equal(t, filepath.Base(file), b.UID+".json")
			require.LessOrEqual(t, len(b.UID), 40, "Grafana's limit")
			require.NotEmpty(t, b.Title)
			require.NotZero(t, b.SchemaVersion)
			for _, variable := range b.Templating.List {
				require.Equal(t, provisioned, variable.Datasource)
			}
			ids, taken := map[int]bool{}, map[[2]int]string{}
			for _, panel := range b.Panels {
				require.False(t, ids[panel.ID], "id %d twice", panel.ID)
				ids[panel.ID] = true
				require.NotEmpty(t, panel.Title)
				require.Contains(t, []string{"row", "timeseries", "stat", "bargauge", "table", "heatmap"}, panel.Type, panel.Title)
				at := panel.GridPos
				require.True(t, at.W > 0 && at.H > 0 && at.X >= 0 && at.X+at.W <= 24, "%s: %+v", panel.Title, at)
				for x := at.X; x < at.X+at.W; x++ {
					for y := at.Y; y < at.Y+at.H; y++ {
						require.Empty(t, taken[[2]int{x, y}], "%s lies upon it", panel.Title)
						taken[[2]int{x, y}] = panel.Title
					}
				}
				if panel.Type == "row" {
					continue
				}
				require.Equal(t, &provisioned, panel.Datasource, panel.Title)
				require.NotEmpty(t, panel.Targets, panel.Title)
				refs := map[string]bool{}
				for _, target := range panel.Targets {
					require.Equal(t, provisioned, target.Datasource, panel.Title)
					require.False(t, refs[target.RefID], "%s: %s twice", panel.Title, target.RefID)
					refs[target.RefID] = true
				}
				for i, step := range panel.FieldConfig.Defaults.Thresholds.Steps {
					require.Equal(t, i == 0, step.Value == nil, "%s: the first threshold, and no other, has no value", panel.Title)
				}
			}
		})
	}
}

func readYAML(t *testing.T, file string, into any) {
	t.Helper()
	content, err := os.ReadFile(file)
	require.NoError(t, err)
	// A key beside a merge (<<) replaces the merged one.
	require.NoError(t, yaml.UnmarshalWithOptions(content, into, yaml.AllowDuplicateMapKey()), file)
}
