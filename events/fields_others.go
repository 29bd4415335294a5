package events

// The tables of the records that hang on a property. RESO's names where it has them; ListingKey and ParcelNumber say
// which property is meant.

func ownershipFields() []Field {
	return []Field{
		text("ListingKey", MaxKeyBytes),
		text("ParcelNumber", 50),
		text("OwnerName", 255),
		text("OwnerType", 50),
		decimal("OwnershipPercent", 7, 4),
		date("OwnershipStartDate"),
		date("OwnershipEndDate"),
		money("PurchasePrice"),
		text("DeedType", 50),
		text("MailingAddress", 255),
		boolean("OwnerOccupiedYN"),
	}
}

func prospectFields() []Field {
	return []Field{
		text("ListingKey", MaxKeyBytes),
		text("ParcelNumber", 50),
		text("FullName", 150),
		text("Email", 254),
		text("Phone", 32),
		text("ProspectStatus", 25),
		text("LeadSource", 100),
		decimal("Score", 7, 4),
		money("BudgetMin"),
		money("BudgetMax"),
		date("FirstContactDate"),
		date("LastContactDate"),
		text("Notes", 4000),
	}
}

func leaseFields() []Field {
	return []Field{
		text("ListingKey", MaxKeyBytes),
		text("UnitNumber", 25),
		text("TenantName", 255),
		text("LeaseStatus", 25),
		money("LeaseAmount"),
		text("LeaseAmountFrequency", 25),
		money("SecurityDeposit"),
		date("LeaseStartDate"),
		date("LeaseEndDate"),
		date("SignedDate"),
		boolean("LeaseRenewalOptionYN"),
		boolean("PetsAllowedYN"),
	}
}

func offerFields() []Field {
	return []Field{
		text("ListingKey", MaxKeyBytes),
		text("BuyerName", 255),
		text("OfferStatus", 25),
		money("OfferPrice"),
		money("EarnestMoney"),
		date("OfferDate"),
		date("OfferExpirationDate"),
		date("ProposedCloseDate"),
		text("FinancingType", 50),
		textList("Contingencies"),
		text("BuyerAgentKey", 255),
	}
}

func documentFields() []Field {
	return []Field{
		text("ListingKey", MaxKeyBytes),
		text("DocumentPath", 1024),
		text("DocumentName", 255),
		text("DocumentType", 50),
		text("MediaType", 127),
		integer("SizeBytes", 15),
		text("SHA256", 64),
		integer("PageCount", 9),
		date("DocumentDate"),
	}
}
