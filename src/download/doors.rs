//! How many files of one host are fetched at once.
//!
//! A file begins with a request that does not ask whether the host bears it: it is what shows that. Of thousands of small files
//! there is nothing but such requests, so their number is limited here: over HTTP/1.1, where each has a connection, to a
//! browser's, and where they share one to more. Which it is shows with the first answer.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use url::Url;

use crate::http::Protocol;

/// Files of a host that speaks HTTP/1.1, or is not known yet.
const HTTP1: usize = 6;

/// Files of a host whose requests share a connection.
const SHARED: usize = 64;

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

    /// Notes which protocol the host speaks.
    pub fn speaks(&self, url: &Url, protocol: Protocol) {
        match protocol {
            Protocol::Http10 | Protocol::Http11 => {}
            Protocol::Http2 | Protocol::Http3 => {
                let door = self.door(url);
                if !door.wide.replace(true) {
                    door.places.add_permits(SHARED - HTTP1);
                }
            }
        }
    }

    fn door(&self, url: &Url) -> Rc<Door> {
        let mut doors = self.0.borrow_mut();
        let door = doors.entry(url.origin().ascii_serialization());
        Rc::clone(door.or_insert_with(|| {
            Rc::new(Door {
                places: Arc::new(Semaphore::new(HTTP1)),
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
    fn a_host_has_so_many_places_and_more_where_requests_share_a_connection() {
        let doors = Doors::default();
        let url = |text: &str| text.parse::<Url>().unwrap();
        let (a, b) = (url("https://h/a"), url("https://i/b"));
        let enter = |url| doors.enter(url).now_or_never();
        let mut inside: Vec<_> = (0..HTTP1).map(|_| enter(&a).unwrap()).collect();
        assert!(enter(&a).is_none() && enter(&b).is_some());
        inside.pop();
        assert!(enter(&a).is_some());
        for _ in 0..2 {
            doors.speaks(&a, Protocol::Http2);
        }
        inside.extend((inside.len()..SHARED).map(|_| enter(&a).unwrap()));
        assert!(enter(&a).is_none());
    }
}
