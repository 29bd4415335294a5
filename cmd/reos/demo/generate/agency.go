package main

import "github.com/google/uuid"

// agency is a tenant: an agency with a manner of its own, so that nobody takes one's homes for the other's.
type agency struct {
	ledger tenantLedger
	prefix string // of its keys
	source string
	state  string
	ways   []string // how its messages are written, in turn
	plain  bool     // its event ids are numbers of its own, not UUIDs
	told   int      // events so far
	homes  int      // keys so far

	towns    []town
	streets  []string
	styles   []string
	opening  []string
	features []string
	closing  []string
	pricing  int // dollars per square foot, about
	treasure treasure
}

type town struct {
	name, county, zip   string
	latitude, longitude float64
}

// treasure is the home that the agency's query must find.
type treasure struct {
	kind, style, remarks string
	waterfront           bool
	query                string
}

// sharedKey is a key that both agencies use, for different homes.
const sharedKey = "MLS-2026-0417"

func agencies() []*agency { return []*agency{cascadeRealty(), loneStarHomes()} }

func cascadeRealty() *agency {
	return &agency{
		ledger: tenantLedger{ID: uuid.MustParse("ca5cade0-0000-4000-8000-000000000001"), Name: "Cascade Realty"},
		prefix: "CR-", source: "cascade-realty/mls", state: "WA", pricing: 420,
		ways: []string{binary, binary, binary, structured, binary, binary, binary, binary},
		towns: []town{
			{"Seattle", "King", "98115", 47.685, -122.281},
			{"Bellevue", "King", "98006", 47.561, -122.155},
			{"Kirkland", "King", "98033", 47.676, -122.192},
			{"Tacoma", "Pierce", "98407", 47.293, -122.506},
			{"Gig Harbor", "Pierce", "98335", 47.302, -122.618},
			{"Everett", "Snohomish", "98201", 47.985, -122.208},
			{"Bellingham", "Whatcom", "98225", 48.741, -122.487},
			{"Anacortes", "Skagit", "98221", 48.503, -122.613},
			{"Port Townsend", "Jefferson", "98368", 48.117, -122.772},
			{"Olympia", "Thurston", "98501", 47.016, -122.873},
			{"Leavenworth", "Chelan", "98826", 47.596, -120.661},
			{"Spokane", "Spokane", "99203", 47.628, -117.411},
			{"Vancouver", "Clark", "98661", 45.641, -122.624},
		},
		streets: []string{
			"Alder Ave", "Evergreen Way", "Madrona Dr", "Salmonberry Ln", "Rainier Ave S", "Cedar River Rd", "Orca Pl",
			"Fern Hollow Ct", "Ferry Landing Rd", "Olympic View Dr", "Hemlock St", "Chinook Trail", "Tidewater Ln NE",
		},
		styles: []string{"Craftsman", "Northwest Contemporary", "Tudor", "Cape Cod", "Victorian", "Loft", "A-Frame", "Mid-Century Modern"},
		opening: []string{
			"Light-filled %s among tall firs", "Classic %s a short walk from the ferry", "Thoughtfully restored %s above the Sound",
			"Quiet %s on a mossy cul-de-sac", "Storybook %s near the farmers market", "Crisp %s with mountain views",
		},
		features: []string{
			"cedar shake siding", "box-beam ceilings", "a clawfoot tub", "radiant floors", "a heat pump", "a mudroom for wet boots",
			"an espresso nook", "a rain garden", "a wood stove", "leaded glass windows", "a detached studio", "a rooftop deck",
			"exposed brick and timber", "a chef's kitchen with soapstone counters", "a greenhouse", "a bike room",
			"skylights over the stairs", "a sunken living room", "a covered deck with Olympic views", "raised vegetable beds",
			"no-bank waterfront with a mooring buoy", "a finished daylight basement",
		},
		closing: []string{
			"Trails and tide pools are minutes away.", "Light rail gets you downtown in no time.", "Snow by morning, beach by evening.",
			"Bring an umbrella and an offer.", "New roof and sewer line.", "Orcas pass by in summer.", "An easy commute by ferry.",
		},
		treasure: treasure{
			kind: "Houseboat", style: "Floating Home", waterfront: true,
			remarks: "Rare floating houseboat with its own moorage: portholes, a kayak dock at the bedroom door, a galley " +
				"kitchen and gulls for neighbors. Live aboard without ever leaving the city.",
			query: "floating houseboat with kayak dock and moorage",
		},
	}
}

func loneStarHomes() *agency {
	return &agency{
		ledger: tenantLedger{ID: uuid.MustParse("10e57a40-0000-4000-8000-000000000002"), Name: "Lone Star Homes"},
		prefix: "LSH-", source: "lone-star-homes/listings", state: "TX", pricing: 210, plain: true,
		ways: []string{underscore, underscore, overHTTP, underscore, binary, underscore, structured, overHTTP},
		towns: []town{
			{"Austin", "Travis", "78704", 30.243, -97.765},
			{"Dallas", "Dallas", "75214", 32.824, -96.750},
			{"Houston", "Harris", "77008", 29.799, -95.418},
			{"San Antonio", "Bexar", "78209", 29.488, -98.457},
			{"Fort Worth", "Tarrant", "76107", 32.739, -97.385},
			{"El Paso", "El Paso", "79912", 31.842, -106.534},
			{"Fredericksburg", "Gillespie", "78624", 30.275, -98.872},
			{"Lubbock", "Lubbock", "79410", 33.571, -101.890},
			{"Waco", "McLennan", "76708", 31.576, -97.179},
			{"Galveston", "Galveston", "77550", 29.302, -94.790},
			{"Georgetown", "Williamson", "78628", 30.641, -97.751},
			{"New Braunfels", "Comal", "78130", 29.702, -98.098},
			{"Marfa", "Presidio", "79843", 30.309, -104.020},
		},
		streets: []string{
			"Bluebonnet Ln", "Mesquite Trl", "Alamo Blvd", "Pecan Grove Rd", "Armadillo Cv", "Live Oak St", "Sam Houston Pkwy",
			"Longhorn Pass", "Rio Grande Ave", "Prickly Pear Dr", "Stetson Ct", "Wildflower Bnd", "Cattle Drive Rd",
		},
		styles: []string{"Ranch", "Hacienda", "Farmhouse", "Hill Country", "Spanish Colonial", "Barndominium", "Bungalow", "Modern Desert"},
		opening: []string{
			"Sprawling %s under century-old live oaks", "Sun-baked %s at the end of a caliche drive", "Handsome limestone %s",
			"Low-slung %s with big skies all around", "Turnkey %s near the rodeo grounds", "Shady %s close to the river",
		},
		features: []string{
			"a saltwater pool", "an outdoor kitchen with a smoker", "saltillo tile", "a wraparound porch", "a three-car garage",
			"a metal roof", "vaulted ceilings with a stone hearth", "a game room", "a butler's pantry", "plantation shutters",
			"a courtyard with a fountain", "a storm shelter", "a hot tub beside the pool", "a casita for guests", "a workshop with power",
			"solar panels", "a fire pit", "terracotta floors", "a mother-in-law plan", "a pecan orchard", "a boat slip on the lake",
			"ceiling fans in every room",
		},
		closing: []string{
			"No city taxes.", "Top-rated schools and Friday night football.", "Barbecue is a tradition here.", "Seller offers a home warranty.",
			"Bring your boots.", "Low tax rate and room to grow.", "Wildflowers all spring.",
		},
		treasure: treasure{
			kind: "Horse Property", style: "Ranch",
			remarks: "Working horse ranch: twelve stables, a lighted riding arena, hay barn, windmill and a stocked pond. Forty " +
				"fenced acres of coastal bermuda and a tack room to be proud of.",
			query: "horse ranch with stables and a riding arena",
		},
	}
}
