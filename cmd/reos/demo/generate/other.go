package main

import (
	"fmt"
	"time"
)

// others publishes the records that hang on an agency's treasure: they are ingested and judged, and stop there.
func (f *feed) others(a *agency) {
	at := firstListing.AddDate(0, 7, 0).Add(10 * time.Hour)
	day := func(days int) string { return at.AddDate(0, 0, days).Format(time.DateOnly) }
	listing := a.ledger.Search.TopKey
	for i := range 2 {
		n := i + 1
		f.other(a, "ownership", at, map[string]any{
			"OwnershipKey": fmt.Sprintf("%sOWN-%d", a.prefix, n), "ListingKey": listing,
			"OwnerName": []string{"Ada Lindqvist", "Grace Moreno"}[i], "OwnershipPercent": 50, "OwnershipStartDate": day(-900),
			"OwnerType": "Individual",
		})
		f.other(a, "prospect", at, map[string]any{
			"ProspectKey": fmt.Sprintf("%sPRO-%d", a.prefix, n), "ListingKey": listing, "FullName": []string{"Mary Okafor", "Alan Reyes"}[i],
			"Email": fmt.Sprintf("prospect%d@example.org", n), "ProspectStatus": "New", "BudgetMin": 250_000, "BudgetMax": 900_000,
			"FirstContactDate": day(-9), "LastContactDate": day(-2),
		})
		f.other(a, "lease", at, map[string]any{
			"LeaseKey": fmt.Sprintf("%sLEA-%d", a.prefix, n), "ListingKey": listing, "TenantName": "Barbara Quist", "LeaseStatus": "Active",
			"LeaseAmount": 2450 + 100*n, "LeaseAmountFrequency": "Monthly", "SecurityDeposit": 2450, "SignedDate": day(-5),
			"LeaseStartDate": day(10), "LeaseEndDate": day(375), "PetsAllowedYN": n == 1,
		})
		f.other(a, "offer", at, map[string]any{
			"OfferKey": fmt.Sprintf("%sOFF-%d", a.prefix, n), "ListingKey": listing, "BuyerName": "Edsger Hale", "OfferStatus": "Submitted",
			"OfferPrice": 610_000 + 5000*n, "EarnestMoney": 10_000, "OfferDate": day(-1), "OfferExpirationDate": day(3),
			"Contingencies": []string{"Inspection", "Financing"},
		})
	}
}

func (f *feed) other(a *agency, recordType string, at time.Time, data map[string]any) {
	data["ModificationTimestamp"] = at.Format(time.RFC3339)
	m := a.message(envelope{eventType: "reos." + recordType + ".upserted.v1", at: at, data: data})
	f.scripts = append(f.scripts, script{m})
	f.ledger.Events++
}
