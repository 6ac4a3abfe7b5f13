package db

// The statements whose plans are tested.
const (
	CatalogPlatformsSQL      = catalogPlatforms
	CountCatalogPlatformsSQL = countCatalogPlatforms
	UsageRecordsOfAccountSQL = usageRecordsOfAccount
	LastUsageCertificateSQL  = lastUsageCertificate
	ListMembersSQL           = listMembers
	FindMembersSQL           = findMembers
	CountMembersSQL          = countMembers
	MembershipsSQL           = memberships
)
