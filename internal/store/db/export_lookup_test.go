package db

// Statements of the officers' look-ups whose plans are tested.
const (
	LookupAccountsByNameSQL   = lookupAccountsByName
	LookupEnterprisesSQL      = lookupEnterprises
	LookupEnterprisesLikeSQL  = lookupEnterprisesLike
	LookupMembershipsSQL      = lookupMemberships
	RegistrationsPerDaySQL    = registrationsPerDay
	VerificationsPerDaySQL    = verificationsPerDay
	UndeliveredCallbacksSQL   = undeliveredPlatformCallbacks
	DecidedReviewsSQL         = decidedReviews
	LookupCertificatesOfSQL   = lookupCertificates
	EnterprisesPerDayPlainSQL = enterprisesPerDay
)
