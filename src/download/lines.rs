//! The connections that a file's answers come on: requests that share one are on one.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::net::{self, Transfer};

/// The connections that bring something, by the client's number of them.
#[derive(Debug, Default)]
pub(super) struct Lines(RefCell<BTreeMap<u64, Line>>);

#[derive(Debug)]
struct Line {
    /// How many of the file's transfers are on it, never 0.
    transfers: usize,
    /// The address of this machine, if it is known.
    local: Option<IpAddr>,
}

/// Counts a transfer while it lives.
pub(super) struct OnLine<'a> {
    lines: &'a Lines,
    /// `None` for a transfer whose connection is not known.
    connection: Option<u64>,
}

impl Lines {
    /// Counts a transfer whose head has come.
    pub(super) fn enter(&self, transfer: &Transfer) -> OnLine<'_> {
        self.enter_on(transfer.connection(), transfer.local())
    }

    fn enter_on(&self, connection: Option<u64>, local: Option<IpAddr>) -> OnLine<'_> {
        if let Some(number) = connection {
            let mut lines = self.0.borrow_mut();
            let transfers = 0;
            let line = lines.entry(number).or_insert(Line { transfers, local });
            line.transfers += 1;
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

    /// Whether any of them begins at an address that this machine has no more.
    pub(super) fn is_stranded(&self) -> bool {
        let lines = self.0.borrow();
        let mut addresses = lines.values().filter_map(|line| line.local);
        addresses.any(|address| !net::is_own_address(address))
    }
}

impl Drop for OnLine<'_> {
    fn drop(&mut self) {
        let Some(number) = self.connection else {
            return;
        };
        let mut lines = self.lines.0.borrow_mut();
        if let Some(line) = lines.get_mut(&number) {
            line.transfers -= 1;
            if line.transfers == 0 {
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
        let first = lines.enter_on(Some(7), None);
        let second = lines.enter_on(Some(7), None);
        let third = lines.enter_on(Some(9), None);
        let unknown = lines.enter_on(None, None);
        assert_eq!(lines.count(), 2);
        drop((first, third, unknown));
        assert_eq!(lines.count(), 1);
        drop(second);
        assert_eq!(lines.count(), 0);
    }

    #[test]
    fn e19_a_connection_is_stranded_when_its_address_is_gone() {
        let lines = Lines::default();
        // Nobody has the second one, which is for documentation (RFC 5737).
        let [own, gone] = [[127, 0, 0, 1], [192, 0, 2, 7]].map(|it| Some(IpAddr::from(it)));
        let _first = lines.enter_on(Some(7), own);
        let _unknown = lines.enter_on(Some(8), None);
        assert!(!lines.is_stranded());
        let second = lines.enter_on(Some(9), gone);
        assert!(lines.is_stranded());
        drop(second);
        assert!(!lines.is_stranded());
    }
}
