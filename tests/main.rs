//! The integration tests, one binary: each file holds one promise of the README.

mod layers;
