//! When to give up.

use std::time::Duration;

use super::layers::Layers;
use super::values;
use crate::error::Error;

/// When to give up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// Attempts per chunk without one new byte; `u32::MAX` = no end.
    pub retries: u32,
    /// For a connection to be made; above 0.
    pub connect_timeout: Duration,
    /// Without a byte; above 0.
    pub stall_timeout: Duration,
    /// The longest wait that a server may ask for; `Duration::MAX` = any.
    pub max_retry_after: Duration,
    /// Without a byte from anywhere; `None` = no end.
    pub give_up_after: Option<Duration>,
}

impl Retry {
    pub(super) fn read(layers: &Layers) -> Result<Self, Error> {
        let time = |name| layers.value(name, "a number of seconds above 0", values::time);
        let or_inf = |name| layers.value(name, "a number of seconds or inf", values::time_or_inf);
        Ok(Self {
            retries: layers.value("retries", "a whole number or inf", values::count)?,
            connect_timeout: time("connect-timeout")?,
            stall_timeout: time("stall-timeout")?,
            max_retry_after: or_inf("max-retry-after")?.unwrap_or(Duration::MAX),
            give_up_after: or_inf("give-up-after")?,
        })
    }
}
