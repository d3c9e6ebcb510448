//! How many files of one host are fetched at once.
//!
//! A file begins with a request that does not ask whether the host bears it: it is what shows that. Of thousands of small files
//! there is nothing but such requests, so their number is limited here, at first to that of a browser's connections. The first
//! answer shows the protocol. Where requests share a connection there are more of them. Over HTTP/1.1, if files are short, there
//! are more too, which the network keeps ready: a connection would be idle while the flow hears that it is, and asks for more.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use url::Url;

use crate::http::{BROWSER_CONNECTIONS, Protocol};

/// Files of a host that is not known yet.
const FIRST: usize = BROWSER_CONNECTIONS;

/// Files of a host whose requests share a connection, or that has short ones.
const MANY: usize = 64;

/// What is short, in bytes.
const SHORT: u64 = 256 << 10;

/// One door for each host.
#[derive(Debug, Default)]
pub struct Doors(RefCell<HashMap<String, Rc<Door>>>);

#[derive(Debug)]
struct Door {
    places: Arc<Semaphore>,
    /// Whether it was opened further.
    wide: std::cell::Cell<bool>,
}

/// A place among the files of a host; free again when dropped.
#[derive(Debug)]
pub struct Place {
    _permit: Option<OwnedSemaphorePermit>,
}

impl Doors {
    /// Waits for a place among the files of this URL's host, in the order of asking.
    pub async fn enter(&self, url: &Url) -> Place {
        let places = Arc::clone(&self.door(url).places);
        Place {
            // It is never closed.
            _permit: places.acquire_owned().await.ok(),
        }
    }

    /// Notes which protocol the host speaks, and the length of one of its files.
    pub fn speaks(&self, url: &Url, protocol: Protocol, length: Option<u64>) {
        let is_shared = matches!(protocol, Protocol::Http2 | Protocol::Http3);
        if !is_shared && length.is_none_or(|length| length > SHORT) {
            return;
        }
        let door = self.door(url);
        if !door.wide.replace(true) {
            door.places.add_permits(MANY - FIRST);
        }
    }

    fn door(&self, url: &Url) -> Rc<Door> {
        let mut doors = self.0.borrow_mut();
        let door = doors.entry(url.origin().ascii_serialization());
        Rc::clone(door.or_insert_with(|| {
            Rc::new(Door {
                places: Arc::new(Semaphore::new(FIRST)),
                wide: false.into(),
            })
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;

    #[test]
    fn a_host_has_so_many_places_as_goes_with_what_it_speaks() {
        for (protocol, length, most) in [
            (Protocol::Http2, SHORT + 1, MANY),
            (Protocol::Http11, SHORT, MANY),
            (Protocol::Http11, SHORT + 1, FIRST),
        ] {
            let doors = Doors::default();
            let url = |text: &str| text.parse::<Url>().unwrap();
            let (a, b) = (url("https://h/a"), url("https://i/b"));
            let enter = |url| doors.enter(url).now_or_never();
            let mut inside: Vec<_> = (0..FIRST).map(|_| enter(&a).unwrap()).collect();
            assert!(enter(&a).is_none() && enter(&b).is_some());
            inside.pop();
            inside.push(enter(&a).unwrap());
            for _ in 0..2 {
                doors.speaks(&a, protocol, Some(length));
            }
            inside.extend((FIRST..most).map(|_| enter(&a).unwrap()));
            assert!(enter(&a).is_none(), "{protocol}, {length}");
        }
    }
}
