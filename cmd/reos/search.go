package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/codybias9/real-estate-os/store"
)

// hit is a search result as it is printed.
type hit struct {
	Key       string   `json:"key"`
	Score     float32  `json:"score"`
	Address   string   `json:"address,omitempty"`
	City      string   `json:"city,omitempty"`
	Status    string   `json:"status,omitempty"`
	ListPrice *float64 `json:"list_price,omitempty"`
	Bedrooms  *int64   `json:"bedrooms,omitempty"`
	DistanceM *float64 `json:"distance_m,omitempty"` // from --near
}

// maxHits bounds what one search returns.
const maxHits = 1000

func searchCommand(c *console) *cobra.Command {
	var tenant string
	var limit int
	var minPrice, maxPrice float64
	var minBedrooms, maxBedrooms int64
	var near string
	var within float64
	var filter store.Filter
	cmd := &cobra.Command{
		Use:   "search TEXT",
		Short: "Find a tenant's properties that are like a text",
		Long: `Finds the properties of one tenant that are nearest to a text, best first. The built-in embedder compares words,
parts of words and numbers; it knows no synonyms. The score is the cosine similarity.

With --near and --within, only what lies nearer than that to a point of the map is searched.`,
		Example: `  reos search --tenant acme "craftsman with a view"
  reos search --tenant acme "3 bedroom family home" --city Kirkland --max-price 900000 --limit 5 --json
  reos search --tenant acme "quiet street" --near 47.6769,-122.2060 --within 2.5`,
		Args: args(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, given []string) error {
			text := strings.TrimSpace(strings.Join(given, " "))
			switch {
			case tenant == "":
				return badInput("--tenant is missing: `reos tenant list` shows the tenants")
			case text == "":
				return badInput("the text to search for must not be empty")
			case limit < 1 || limit > maxHits:
				return badInput("--limit must be from 1 to %d, got %d", maxHits, limit)
			}
			set := cmd.Flags().Changed
			filter.MinPrice, filter.MaxPrice = whenSet(set("min-price"), &minPrice), whenSet(set("max-price"), &maxPrice)
			filter.MinBedrooms, filter.MaxBedrooms = whenSet(set("min-bedrooms"), &minBedrooms), whenSet(set("max-bedrooms"), &maxBedrooms)
			if set("near") || set("within") {
				var err error
				if filter.Near, err = circle(near, within); err != nil {
					return err
				}
			}
			return withOpen(cmd.Context(), c, func(ctx context.Context, in *installation) error {
				owner, err := in.tenant(ctx, tenant)
				if err != nil {
					return err
				}
				hits, err := in.search(ctx, owner.ID, text, limit, filter)
				if err != nil {
					return err
				}
				return c.print(map[string]any{"query": text, "hits": hits}, func(w io.Writer) { hitRows(w, hits) })
			}, (*installation).openDatabase, (*installation).openPoints)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&tenant, "tenant", "", "id or name of the tenant (required)")
	flags.IntVar(&limit, "limit", 10, "hits at most")
	flags.Float64Var(&minPrice, "min-price", 0, "list price from, inclusive")
	flags.Float64Var(&maxPrice, "max-price", 0, "list price to, inclusive")
	flags.Int64Var(&minBedrooms, "min-bedrooms", 0, "bedrooms from, inclusive")
	flags.Int64Var(&maxBedrooms, "max-bedrooms", 0, "bedrooms to, inclusive")
	flags.StringVar(&filter.City, "city", "", "city, as written in the records")
	flags.StringVar(&filter.Status, "status", "", "RESO StandardStatus, such as Active")
	flags.StringVar(&near, "near", "", "LAT,LON in degrees; needs --within")
	flags.Float64Var(&within, "within", 0, "kilometres from --near, exclusive")
	return cmd
}

// maxKilometers is half way around the Earth, and a little more.
const maxKilometers = 20_100

// circle is where to search.
func circle(near string, kilometers float64) (*store.Circle, error) {
	center, ok := store.ParseLocation(near)
	switch {
	case !ok:
		return nil, badInput("--near must be LAT,LON with a latitude from -90 to 90 and a longitude from -180 to 180, such as 47.6769,-122.2060; got %q", near)
	case !(kilometers > 0 && kilometers <= maxKilometers):
		return nil, badInput("--within must be more than 0 and at most %d kilometres, got %v", maxKilometers, kilometers)
	}
	return &store.Circle{Center: center, Meters: kilometers * 1000}, nil
}

// whenSet is a pointer to a flag's value where the user gave it, else nil.
func whenSet[T any](changed bool, value *T) *T {
	if !changed {
		return nil
	}
	return value
}

// search embeds a text and finds the tenant's nearest properties.
func (in *installation) search(ctx context.Context, tenant uuid.UUID, text string, limit int, filter store.Filter) ([]hit, error) {
	vectors, err := in.embedder.Embed(ctx, []string{text})
	if err != nil {
		return nil, fmt.Errorf("embed the query: %w", err)
	}
	found, err := in.points.Tenant(tenant).Search(ctx, store.Query{Vector: vectors[0], Limit: limit, Filter: filter})
	if err != nil {
		return nil, err
	}
	hits := make([]hit, len(found))
	for i, f := range found {
		hits[i] = hit{
			Key: f.Key, Score: f.Score, Address: f.Payload.Address, City: f.Payload.City, Status: f.Payload.Status,
			ListPrice: f.Payload.ListPrice, Bedrooms: f.Payload.Bedrooms, DistanceM: filter.Near.MetersTo(f.Payload),
		}
	}
	return hits, nil
}

func hitRows(w io.Writer, hits []hit) {
	fmt.Fprintln(w, "SCORE\tKEY\tPRICE\tBEDS\tSTATUS\tMETRES\tADDRESS")
	for _, h := range hits {
		fmt.Fprintf(w, "%.3f\t%s\t%s\t%s\t%s\t%s\t%s\n", h.Score, h.Key, orDash("%.0f", h.ListPrice), orDash("%d", h.Bedrooms), h.Status,
			orDash("%.0f", h.DistanceM), h.Address)
	}
}

func orDash[T any](format string, value *T) string {
	if value == nil {
		return "-"
	}
	return fmt.Sprintf(format, *value)
}
