//! The connections that a file's answers come on: requests that share one are on one.

use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::net::Transfer;

/// How many of the file's transfers are on each connection, by the client's number of it; none is on 0 transfers.
#[derive(Debug, Default)]
pub(super) struct Lines(RefCell<BTreeMap<u64, usize>>);

/// Counts a transfer while it lives.
pub(super) struct OnLine<'a> {
    lines: &'a Lines,
    /// `None` for a transfer whose connection is not known.
    connection: Option<u64>,
}

impl Lines {
    /// Counts a transfer whose head has come.
    pub(super) fn enter(&self, transfer: &Transfer) -> OnLine<'_> {
        self.enter_on(transfer.connection())
    }

    fn enter_on(&self, connection: Option<u64>) -> OnLine<'_> {
        if let Some(number) = connection {
            *self.0.borrow_mut().entry(number).or_default() += 1;
        }
        OnLine {
            lines: self,
            connection,
        }
    }

    /// Connections that bring something.
    pub(super) fn count(&self) -> usize {
        self.0.borrow().len()
    }
}

impl Drop for OnLine<'_> {
    fn drop(&mut self) {
        let Some(number) = self.connection else {
            return;
        };
        let mut lines = self.lines.0.borrow_mut();
        if let Some(transfers) = lines.get_mut(&number) {
            *transfers -= 1;
            if *transfers == 0 {
                lines.remove(&number);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transfers_on_one_connection_count_as_one() {
        let lines = Lines::default();
        let first = lines.enter_on(Some(7));
        let second = lines.enter_on(Some(7));
        let third = lines.enter_on(Some(9));
        let unknown = lines.enter_on(None);
        assert_eq!(lines.count(), 2);
        drop((first, third, unknown));
        assert_eq!(lines.count(), 1);
        drop(second);
        assert_eq!(lines.count(), 0);
    }
}
