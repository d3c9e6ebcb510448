//! The integration tests, one binary: each file holds one promise of the README.

mod fingerprints;
mod layers;
mod system_browsers;
