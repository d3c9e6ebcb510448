//! What the tests share: an origin to download from, the real `hs` to do it, and eyes for what goes over the wire.

pub mod browser;
pub mod capture;
pub mod count;
pub mod dice;
pub mod hs;
pub mod node;
pub mod origin;
pub mod proxy;
pub mod schema;
