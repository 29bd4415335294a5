package embedding_test

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/workers/embedding"
)

func embed(t require.TestingT, text string) []float32 {
	vectors, err := embedding.NewHashing().Embed(context.Background(), []string{text})
	require.NoError(t, err)
	require.Len(t, vectors, 1)
	return vectors[0]
}

func cosine(a, b []float32) float64 {
	var sum float64
	for i := range a {
		sum += float64(a[i]) * float64(b[i])
	}
	return sum
}

func similarity(t require.TestingT, a, b string) float64 { return cosine(embed(t, a), embed(t, b)) }

// home is a property's text: a base with changes.
func home(t require.TestingT, change map[string]any) string {
	all := map[string]any{
		"ListingKey": "K", "StandardStatus": "Active", "PropertyType": "Residential", "PropertySubType": "Single Family Residence",
		"ListPrice": 650000, "BedroomsTotal": 3, "BathroomsTotalInteger": 2, "LivingArea": 1800, "LotSizeSquareFeet": 6000,
		"YearBuilt": 1955, "UnparsedAddress": "9824 Rainier Ave S, Seattle, WA 98118", "City": "Seattle", "StateOrProvince": "WA",
		"PostalCode": "98118", "PublicRemarks": "Bright rooms, a new roof and a fenced garden near parks and schools.",
	}
	maps.Copy(all, change)
	data, err := json.Marshal(all)
	require.NoError(t, err)
	doc, err := events.ParseDoc(data)
	require.NoError(t, err)
	return embedding.Text(doc)
}

type change = map[string]any

func TestTextSaysWhatPeopleSearchFor(t *testing.T) {
	require.Equal(t, `waterfront Single Family Residence home in Seattle
9824 Rainier Ave S, Seattle, WA 98118
Seattle WA 98118
status Active
3 bedrooms
2 bathrooms
1800 square feet
price 650000
lot 6000 square feet
built 1955
waterfront
Lake, Mountain(s)
Bright rooms, a new roof and a fenced garden near parks and schools.`,
		home(t, change{"WaterfrontYN": true, "GarageYN": false, "View": []string{"Lake", "Mountain(s)"}}))
	require.Contains(t, home(t, change{"LivingArea": 100, "LivingAreaUnits": "Square Meters"}), "\n1076 square feet\n")
	require.Contains(t, home(t, change{"ListPrice": nil, "ClosePrice": 640000}), "\nprice 640000\n")
	require.Equal(t, "home", embedding.Text(events.Doc{}), "a document that says nothing")
}

func TestTextDoesNotDependOnWhatIsNotSearchedFor(t *testing.T) {
	base := home(t, nil)
	require.Equal(t, base, home(t, change{"ListAgentKey": "A", "ModificationTimestamp": "2026-01-01T00:00:00Z", "DaysOnMarket": 3}))
	require.Equal(t, embedding.ContentHash(base), embedding.ContentHash(home(t, nil)))
	require.NotEqual(t, embedding.ContentHash(base), embedding.ContentHash(home(t, change{"ListPrice": 651000})))
}

func TestSimilarHomesAreNear(t *testing.T) {
	base := home(t, nil)
	twin := home(t, change{
		"UnparsedAddress": "511 Genesee St, Seattle, WA 98118", "ListPrice": 665000, "YearBuilt": 1957,
		"PublicRemarks": "Sunny rooms, new windows and a garden close to schools.",
	})
	require.InDelta(t, 1, similarity(t, base, base), 1e-6)
	for name, other := range map[string]string{
		"another city": home(t, change{
			"UnparsedAddress": "511 Market St, Tacoma, WA 98402", "City": "Tacoma", "PostalCode": "98402",
			"PublicRemarks": "Sunny rooms, new windows and a garden close to schools.",
		}),
		"a mansion": home(t, change{
			"UnparsedAddress": "511 Genesee St, Seattle, WA 98118", "ListPrice": 3900000, "BedroomsTotal": 7,
			"BathroomsTotalInteger": 6, "LivingArea": 8200, "YearBuilt": 2012, "PublicRemarks": "Sunny rooms, new windows and a garden close to schools.",
		}),
		"land": home(t, change{
			"PropertyType": "Land", "PropertySubType": nil, "BedroomsTotal": nil, "LivingArea": nil, "YearBuilt": nil,
			"UnparsedAddress": "Lot 5, Index, WA 98256", "City": "Index", "PostalCode": "98256", "PublicRemarks": "Timber and a creek.",
		}),
	} {
		require.Greater(t, similarity(t, base, twin), similarity(t, base, other)+0.08, name)
	}
}

func TestNearNumbersAreNear(t *testing.T) {
	for _, kind := range []struct{ near, same, far string }{
		{"3 bedrooms", "4 bedrooms", "6 bedrooms"},
		{"price 450000", "price 470000", "price 900000"},
		{"1800 square feet", "1900 square feet", "4000 square feet"},
		{"built 1955", "built 1960", "built 2015"},
		{"price 450000", "price 550000", "price 800000"},
	} {
		require.Greater(t, similarity(t, kind.near, kind.same), similarity(t, kind.near, kind.far)+0.3, kind.near)
	}
}

func TestNumbersAreReadAsPeopleWriteThem(t *testing.T) {
	for _, pair := range [][2]string{
		{"3 bedrooms", "3 bedroom"},
		{"3 bedrooms", "3br"},
		{"3 bedrooms", "3-bed"},
		{"3 bedrooms", "bedrooms: 3"},
		{"2 bathrooms", "2 ba"},
		{"2.5 baths", "2.5 bathrooms"},
		{"price 450000", "$450,000"},
		{"price 450000", "under 450k"},
		{"price 450000", "asking around $450K"},
		{"price 450000", "450000"},
		{"price 1200000", "up to 1.2m"},
		{"price 450000", "price of 450,000.00"},
		{"1800 square feet", "1,800 sqft"},
		{"1800 square feet", "1800 sq ft"},
		{"0.25 acres", "0.25 acre"},
	} {
		require.InDelta(t, 1, similarity(t, pair[0], pair[1]), 1e-6, "%q and %q", pair[0], pair[1])
	}
	require.Less(t, similarity(t, "3 bedrooms", "3 bathrooms"), 0.2)
	require.Less(t, similarity(t, "lot 6000 square feet", "6000 square feet"), 0.2)
	require.Less(t, similarity(t, "built 1955", "price 195500"), 0.2)
	require.InDelta(t, similarity(t, "3 bedroom 2 bath", "3 bedrooms\n2 bathrooms"), 1, 1e-6)
}

func TestTypingErrorsAreForgiven(t *testing.T) {
	for _, pair := range [][3]string{
		{"Kirkland", "Kirklnad", "Seattle"},
		{"craftsman", "craftman", "colonial"},
		{"waterfront", "waterfornt", "basement"},
		{"98033", "98034", "10001"},
	} {
		require.Greater(t, similarity(t, pair[0], pair[1]), similarity(t, pair[0], pair[2])+0.1, pair[0])
	}
	require.InDelta(t, 1, similarity(t, "KIRKLAND", "kirkland"), 1e-6)
	require.InDelta(t, 1, similarity(t, "CAFÉ Éclair", "café éclair"), 1e-6)
}

// fifty homes around a lake; one of them is in Kirkland and on the water.
func fifty(t *testing.T) (texts []string, wanted int) {
	cities := []string{"Seattle", "Bellevue", "Kirkland", "Renton", "Kent", "Auburn", "Redmond", "Issaquah", "Sammamish", "Bothell"}
	for i := range 50 {
		city := cities[i%len(cities)]
		all := change{
			"City": city, "PostalCode": fmt.Sprint(98001 + 13*i), "ListPrice": 300000 + 25000*i, "BedroomsTotal": 1 + i%5,
			"LivingArea": 900 + 60*i, "YearBuilt": 1910 + 2*i, "WaterfrontYN": i%7 == 1,
			"UnparsedAddress": fmt.Sprintf("%d %s St, %s, WA %d", 100+37*i, []string{"Elm", "Oak", "Lake", "Main", "Park"}[i%5], city, 98001+13*i),
			"PublicRemarks": []string{
				"Charming craftsman with a wide porch.", "Modern kitchen, hardwood floors and a fenced yard.",
				"Minutes to the waterfront park, shops and transit.", "Needs work; sold as is.",
			}[i%4],
		}
		if city == "Kirkland" && all["WaterfrontYN"].(bool) {
			wanted = i
		}
		texts = append(texts, home(t, all))
	}
	return texts, wanted
}

func rank(t *testing.T, query string, texts []string) []int {
	vectors, err := embedding.NewHashing().Embed(context.Background(), append([]string{query}, texts...))
	require.NoError(t, err)
	order := make([]int, len(texts))
	for i := range order {
		order[i] = i
	}
	score := func(i int) float64 { return cosine(vectors[0], vectors[i+1]) }
	for i := range order {
		for j := i + 1; j < len(order); j++ {
			if score(order[j]) > score(order[i]) {
				order[i], order[j] = order[j], order[i]
			}
		}
	}
	return order
}

func TestAQueryFindsWhatItNames(t *testing.T) {
	texts, wanted := fifty(t)
	require.Contains(t, texts[wanted], "Kirkland")
	require.Equal(t, wanted, rank(t, "waterfront home in Kirkland", texts)[0])
	require.Equal(t, wanted, rank(t, "watefront home in Kirkland", texts)[0], "typing error and all")
	require.Contains(t, rank(t, "watefront home in Kirklnad", texts)[:3], wanted, "two typing errors cost a place or two")
	require.Contains(t, texts[rank(t, "seatle", texts)[0]], "Seattle")

	for _, at := range rank(t, "3 bedroom craftsman in Seattle under 600000", texts)[:3] {
		require.Contains(t, texts[at], "Seattle")
	}
	for _, at := range rank(t, "homes in Issaquah", texts)[:5] {
		require.Contains(t, texts[at], "Issaquah")
	}
	best := rank(t, "5 bedroom home in Sammamish WA", texts)[0]
	require.Contains(t, texts[best], "Sammamish")
}

func TestEveryVectorHasUnitLength(t *testing.T) {
	long := strings.Repeat("the quick brown fox jumps over 12 lazy dogs ", 30_000)
	for _, text := range []string{
		"", " ", "\n\n", "the", "x", "...", "\x00", "\xff\xfe", "🏠", "é", "—", "$", "0", "99999999999999999999999999999m",
		strings.Repeat("9", 100_000), strings.Repeat("w", 100_000), strings.Repeat("é", 60_000), long, "3k k3 1.2.3.4 ,,, 1,2,3", "0 acres",
	} {
		requireUnit(t, embed(t, text))
	}
	first := embed(t, "")
	require.EqualValues(t, 1, first[0], "a text that says nothing has a place of its own")
}

func requireUnit(t require.TestingT, vector []float32) {
	require.Len(t, vector, 384)
	var squares float64
	for _, v := range vector {
		require.False(t, math.IsNaN(float64(v)) || math.IsInf(float64(v), 0))
		squares += float64(v) * float64(v)
	}
	require.InDelta(t, 1, squares, 1e-5)
}

func TestAnyTextHasAVector(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.String().Draw(t, "text")
		vector := embed(t, text)
		requireUnit(t, vector)
		require.Equal(t, vector, embed(t, text))
	})
}

func FuzzEmbed(f *testing.F) {
	f.Add("waterfront home in Kirkland, 3 bedrooms under $600k, built in 1955")
	f.Add("1st 2nd 3,000,000.00 sq ft 9.9.9\xff")
	f.Fuzz(func(t *testing.T, text string) { requireUnit(t, embed(t, text)) })
}

// The vectors of this model never change: stored vectors and new queries must agree. A change is a new model's name.
func TestTheModelsVectorsAreFixed(t *testing.T) {
	digest := sha256.New()
	for _, text := range []string{home(t, nil), "3 bedroom craftsman in Seattle under 600000", "", "CAFÉ 2nd 0.25 acres"} {
		for _, v := range embed(t, text) {
			_ = binary.Write(digest, binary.LittleEndian, math.Float32bits(v))
		}
	}
	require.Equal(t, modelDigest, hex.EncodeToString(digest.Sum(nil)), "vectors moved: the model needs a new name")
}

const modelDigest = "087fa9d073b344910136edcada17668fe77ac73305c5b7b72f965380618755b7"

func TestItIsSafeForConcurrentUse(t *testing.T) {
	texts, _ := fifty(t)
	embedder := embedding.NewHashing()
	want, err := embedder.Embed(context.Background(), texts)
	require.NoError(t, err)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			got, err := embedder.Embed(context.Background(), texts)
			if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
				t.Error("vectors differ between goroutines", err)
			}
		})
	}
	all.Wait()
}

func TestItEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := embedding.NewHashing().Embed(ctx, []string{"a"})
	require.ErrorIs(t, err, context.Canceled)
}

func TestItDescribesItself(t *testing.T) {
	var embedder embedding.Embedder = embedding.NewHashing()
	require.Equal(t, "reos-hash-v1", embedder.Model())
	require.Equal(t, 384, embedder.Dimensions())
	require.Positive(t, embedder.MaxBatch())
}

func BenchmarkEmbed(b *testing.B) {
	text := home(b, change{"PublicRemarks": strings.Repeat("Bright rooms with a new roof and a fenced garden near parks. ", 6) +
		"Hardwood floors throughout, remodeled kitchen with granite counters, gas range and island. Primary suite upstairs, daylight " +
		"basement with separate entrance, two car garage, easy access to light rail, stadiums, lake trails and downtown shops."})
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	embedder, texts := embedding.NewHashing(), []string{text}
	for b.Loop() {
		if _, err := embedder.Embed(context.Background(), texts); err != nil {
			b.Fatal(err)
		}
	}
}
