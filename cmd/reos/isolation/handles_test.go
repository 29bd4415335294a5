package isolation

import (
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// adapters are the packages whose Tenant is the way to a tenant's data, and what else they export on purpose: functions,
// and methods of the connection itself, that reach no tenant's data. Whoever adds one says here why.
var adapters = map[string][]string{
	"store/postgres": {
		"Open", "Migrate", "Down", "Status", // of the connection and the schema
		"DB.Ready", "DB.Close", "DB.Pool", // Pool is for the queues: it sees no tenant's rows, as the attempts here prove
		"DB.Lead", "DB.LeadTracking", // advisory locks
		"DB.ReadAhead", // a setting; what is kept is found by tenant and event
		"DB.Collector", // counts the connections
		"DB.Platform",  // which may count, and cannot read a record
	},
	"store/qdrant": {
		"Open", "Client.Ready", "Client.Close", "Client.Ensure", "Client.Remove", "Client.Collector", // of the connection and the collection as a whole
	},
	"store/objects": {
		"Open", "Client.Ready", "Client.Close", "Client.Ensure", "Client.Collector", // of the connection and the bucket
	},
}

// exported are the functions and methods that a package exports, by `Type.Name` or `Name`.
func exported(t *testing.T, pattern string) (functions map[string]*ast.FuncDecl, structs map[string]*ast.StructType) {
	t.Helper()
	functions, structs = map[string]*ast.FuncDecl{}, map[string]*ast.StructType{}
	files, err := filepath.Glob(pattern)
	require.NoError(t, err)
	require.NotEmpty(t, files, pattern)
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		for _, declaration := range parsed.Decls {
			switch d := declaration.(type) {
			case *ast.FuncDecl:
				if name := nameOf(d); ast.IsExported(d.Name.Name) && ast.IsExported(name) {
					functions[name] = d
				}
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					if s, ok := spec.(*ast.TypeSpec); ok {
						if fields, ok := s.Type.(*ast.StructType); ok {
							structs[s.Name.Name] = fields
						}
					}
				}
			}
		}
	}
	return functions, structs
}

func nameOf(d *ast.FuncDecl) string {
	if d.Recv == nil {
		return d.Name.Name
	}
	return strings.TrimPrefix(types.ExprString(d.Recv.List[0].Type), "*") + "." + d.Name.Name
}

func typesOf(fields *ast.FieldList) (all []string) {
	if fields == nil {
		return nil
	}
	for _, field := range fields.List {
		for range max(1, len(field.Names)) {
			all = append(all, types.ExprString(field.Type))
		}
	}
	return all
}

// strays are the ways past a tenant that a package exports.
func strays(functions map[string]*ast.FuncDecl, tenant *ast.StructType, free []string) (found []string) {
	for _, field := range tenant.Fields.List {
		if len(field.Names) == 0 {
			found = append(found, "Tenant embeds "+types.ExprString(field.Type))
		}
		for _, name := range field.Names {
			if name.IsExported() {
				found = append(found, "Tenant."+name.Name+" can be set from outside")
			}
		}
	}
	for name, function := range functions {
		owner, _, isMethod := strings.Cut(name, ".")
		gives := slices.ContainsFunc(typesOf(function.Type.Results), func(result string) bool { return strings.TrimLeft(result, "[]*") == "Tenant" })
		byID := slices.Equal(typesOf(function.Type.Params), []string{"uuid.UUID"})
		switch {
		case gives && (name == "DB.Tenant" || name == "Client.Tenant") && byID:
		case gives:
			found = append(found, name+" hands out a handle")
		case isMethod && owner != "DB" && owner != "Client": // of a tenant's handle, of the platform's, or of a value
		case !slices.Contains(free, name):
			found = append(found, name+" needs no tenant")
		}
	}
	return found
}

func TestInvariant4NoHandleExistsWithoutATenant(t *testing.T) {
	t.Parallel()
	for folder, free := range adapters {
		functions, structs := exported(t, filepath.Join("..", "..", "..", filepath.FromSlash(folder), "*.go"))
		require.Contains(t, structs, "Tenant", folder)
		require.Empty(t, strays(functions, structs["Tenant"], free), "%s: say in this test why, or give it a tenant", folder)
	}
}

// A package that hands out handles without a tenant does not pass.
func TestTheWalkFindsAHandleWithoutATenant(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "careless.go")
	require.NoError(t, os.WriteFile(file, []byte(`package careless
type Client struct{}
type Tenant struct { ID uuid.UUID; *Client }
func (c *Client) Tenant(id string) *Tenant { return nil }
func (c *Client) Everybody() []*Tenant { return nil }
func (c *Client) Read(key string) []byte { return nil }
func Open() *Client { return nil }
func (t *Tenant) Read(key string) []byte { return nil }
`), 0o600))
	functions, structs := exported(t, file)
	require.ElementsMatch(t, []string{
		"Tenant embeds *Client", "Tenant.ID can be set from outside", "Client.Tenant hands out a handle", "Client.Everybody hands out a handle",
		"Client.Read needs no tenant",
	}, strays(functions, structs["Tenant"], []string{"Open"}))
}
