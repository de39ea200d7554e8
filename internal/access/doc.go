// Package access decides by a signed token (JWT) whether somebody may watch.
//
// A Policy is what one streaming locator requires: who signs, for whom, with which keys. A Checker remembers the tokens that
// were found good, so that a player's next request costs a hash and a look at the clock instead of a signature; what was
// found bad is not remembered, so that nobody can fill it who cannot sign.
package access
