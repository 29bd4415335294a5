package quality

import (
	"path"
	"strings"
)

// The suites of the records that hang on a property. They stay with what the pipeline's users rely on: who, what,
// how much, since when.

func ownershipExpectations() []Expectation {
	return []Expectation{
		Required("ownership_key_present", "OwnershipKey"),
		NotFuture("modification_timestamp_not_future", "ModificationTimestamp"),
		RequiredOneOf("property_named", "ListingKey", "ParcelNumber"),
		Required("owner_name_present", "OwnerName"),
		Positive("ownership_percent_range", "OwnershipPercent", 100),
		NotFuture("ownership_start_date_not_future", "OwnershipStartDate").AsWarning(),
		NotBefore("ownership_end_date_not_before_start", "OwnershipEndDate", "OwnershipStartDate"),
		Between("purchase_price_range", "PurchasePrice", 0, maxMoney),
	}
}

func prospectExpectations() []Expectation {
	return []Expectation{
		Required("prospect_key_present", "ProspectKey"),
		NotFuture("modification_timestamp_not_future", "ModificationTimestamp"),
		Required("full_name_present", "FullName").AsWarning(),
		RequiredOneOf("prospect_reachable", "Email", "Phone"),
		Matching("email_format", "Email", "an address such as name@example.org", isEmail),
		Between("score_range", "Score", 0, 100),
		Between("budget_min_range", "BudgetMin", 0, maxMoney),
		Between("budget_max_range", "BudgetMax", 0, maxMoney),
		AtMost("budget_min_at_most_max", "BudgetMin", "BudgetMax"),
		NotBefore("last_contact_date_not_before_first", "LastContactDate", "FirstContactDate").AsWarning(),
	}
}

func leaseExpectations() []Expectation {
	return []Expectation{
		Required("lease_key_present", "LeaseKey"),
		NotFuture("modification_timestamp_not_future", "ModificationTimestamp"),
		Required("listing_key_present", "ListingKey").AsWarning(),
		Required("lease_amount_present", "LeaseAmount"),
		Positive("lease_amount_range", "LeaseAmount", maxMoney),
		NotNegative("security_deposit_range", "SecurityDeposit"),
		Required("lease_start_date_present", "LeaseStartDate"),
		NotBefore("lease_end_date_not_before_start", "LeaseEndDate", "LeaseStartDate"),
		NotFuture("signed_date_not_future", "SignedDate"),
	}
}

func offerExpectations() []Expectation {
	return []Expectation{
		Required("offer_key_present", "OfferKey"),
		NotFuture("modification_timestamp_not_future", "ModificationTimestamp"),
		Required("listing_key_present", "ListingKey"),
		Required("offer_price_present", "OfferPrice"),
		Positive("offer_price_range", "OfferPrice", maxMoney),
		OneOf("offer_status_known", "OfferStatus",
			"Draft", "Submitted", "Countered", "Accepted", "Rejected", "Withdrawn", "Expired"),
		NotFuture("offer_date_not_future", "OfferDate"),
		NotBefore("offer_expiration_date_not_before_offer", "OfferExpirationDate", "OfferDate"),
		NotNegative("earnest_money_range", "EarnestMoney"),
		AtMost("earnest_money_at_most_price", "EarnestMoney", "OfferPrice").AsWarning(),
	}
}

// maxDocumentBytes is what one upload to S3 can hold without parts: 5 GiB.
const maxDocumentBytes = 5 << 30

func documentExpectations() []Expectation {
	return []Expectation{
		Required("document_key_present", "DocumentKey"),
		NotFuture("modification_timestamp_not_future", "ModificationTimestamp"),
		Required("document_path_present", "DocumentPath"),
		Matching("document_path_inside", "DocumentPath", "relative to the tenant's documents, without . and ..", isInside),
		Required("media_type_present", "MediaType"),
		Matching("media_type_format", "MediaType", "a media type such as application/pdf", isMediaType),
		Positive("size_bytes_range", "SizeBytes", maxDocumentBytes),
		Matching("sha256_format", "SHA256", "64 hexadecimal digits", isSHA256),
		Required("listing_key_present", "ListingKey").AsWarning(),
		NotNegative("page_count_range", "PageCount"),
	}
}

// isEmail wants one @ with something before and a dotted name behind: only a mail can prove more.
func isEmail(text string) bool {
	local, domain, ok := strings.Cut(text, "@")
	return ok && local != "" && strings.Contains(strings.Trim(domain, "."), ".") && !strings.ContainsAny(text, " \t\r\n,;<>") &&
		!strings.Contains(domain, "@") && domain == strings.Trim(domain, ".")
}

// isInside says whether a path stays below where it starts, in every store's reading of it.
func isInside(text string) bool {
	return path.Clean(text) == text && !path.IsAbs(text) && text != "." && text != ".." &&
		!strings.HasPrefix(text, "../") && !strings.Contains(text, `\`)
}

func isMediaType(text string) bool {
	kind, subtype, ok := strings.Cut(text, "/")
	isToken := func(token string) bool {
		return token != "" && onlyOf(token, isLetter, isDigit, func(c byte) bool { return strings.IndexByte("!#$&-^_.+", c) >= 0 })
	}
	subtype, _, _ = strings.Cut(subtype, ";")
	return ok && isToken(kind) && isToken(strings.TrimSpace(subtype))
}

func isSHA256(text string) bool {
	return len(text) == 64 && onlyOf(text, isDigit, func(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'f' })
}
