// Package people keeps who is who: accounts, verified persons, enterprises with
// their members, officers, and the notices to them all. It is the store's part
// (docs/stores.md) for those nouns, over the same transactions.
package people
