//! The TLS sessions that a driver may resume, kept and used up as the browser does it.
//!
//! libcurl has such a memory too, but it always takes the oldest session, and Chrome takes the newest: a server that gave
//! two tickets sees which comes back. So libcurl's is switched off, and BoringSSL reports new sessions here. A session
//! belongs to one host and port; what else could set connections apart (certificates, proxies) is the same for all of a
//! driver. Nothing outlives the driver, and no early data is sent.

use std::collections::VecDeque;
use std::ffi::{c_int, c_void};
use std::mem::ManuallyDrop;
use std::net::IpAddr;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use boring::ex_data::Index;
use boring::ssl::{
    NameType, Ssl, SslContext, SslContextBuilder, SslRef, SslSession, SslSessionCacheMode,
};
use boring_sys as ffi;
use foreign_types::{ForeignType as _, ForeignTypeRef as _};
use url::Url;

use crate::fingerprint::schema::{Habit, Tls};
use crate::fingerprint::wire::extension::{PSK_KEY_EXCHANGE_MODES, SESSION_TICKET};

/// Sessions that are kept for one host: as many as Chrome and Firefox keep.
const PER_HOST: usize = 2;
/// Hosts that are remembered.
const HOSTS: usize = 1024;

/// The sessions of one driver; its connections share them.
pub(in crate::net) type Shared = Arc<Mutex<Sessions<SslSession>>>;

/// Sessions by host.
pub(in crate::net) struct Sessions<S> {
    /// Of two sessions the older one is taken first.
    oldest_first: bool,
    /// No session is taken twice, not even those that could be.
    once: bool,
    /// At most [`HOSTS`], the one that got a session last at the end; none without a session.
    hosts: VecDeque<(String, VecDeque<Kept<S>>)>,
}

/// A session that waits for its next connection.
struct Kept<S> {
    session: S,
    /// TLS 1.3 wants a ticket not to be seen twice (RFC 8446, C.4).
    single_use: bool,
}

impl<S: Clone> Sessions<S> {
    pub(in crate::net) fn new(tls: &Tls) -> Self {
        Self {
            oldest_first: tls.habits.contains(&Habit::OldestTicketFirst),
            once: tls.habits.contains(&Habit::SessionOnce),
            hosts: VecDeque::new(),
        }
    }

    /// Adds the newest session of a host; the oldest goes if there are too many.
    fn keep(&mut self, host: &str, session: S, single_use: bool) {
        let at = self.hosts.iter().position(|(known, _)| known == host);
        let known = at.and_then(|at| self.hosts.remove(at));
        let (host, mut sessions) = known.unwrap_or_else(|| (host.to_owned(), VecDeque::new()));
        sessions.push_back(Kept {
            session,
            single_use: single_use || self.once,
        });
        while sessions.len() > PER_HOST {
            sessions.pop_front();
        }
        self.hosts.push_back((host, sessions));
        while self.hosts.len() > HOSTS {
            self.hosts.pop_front();
        }
    }

    /// The session that the next connection to a host resumes.
    fn take(&mut self, host: &str) -> Option<S> {
        let at = self.hosts.iter().position(|(known, _)| known == host)?;
        let (_, sessions) = self.hosts.get_mut(at)?;
        let next = if self.oldest_first {
            0
        } else {
            sessions.len().checked_sub(1)?
        };
        if !sessions.get(next)?.single_use {
            return Some(sessions[next].session.clone());
        }
        let taken = sessions.remove(next)?;
        if sessions.is_empty() {
            self.hosts.remove(at);
        }
        Some(taken.session)
    }
}

/// Whom a context is for.
struct Peer {
    /// Host of the URL.
    host: String,
    /// Host and port.
    authority: String,
    sessions: Shared,
}

impl Peer {
    /// Whether a connection that names `sni` goes to this peer. libcurl makes a context of the same kind for a proxy
    /// that is reached over TLS.
    fn is_named(&self, sni: Option<&str>) -> bool {
        let host = self.host.trim_end_matches('.');
        match sni {
            Some(name) => name.eq_ignore_ascii_case(host),
            None => host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok(),
        }
    }
}

/// Where a context keeps its peer; `None` if memory is short.
static PEER: LazyLock<Option<Index<SslContext, Peer>>> =
    LazyLock::new(|| SslContext::new_ex_index().ok());
/// Where a connection keeps that it was given its session, or that there was none.
static ASKED: LazyLock<Option<Index<Ssl, ()>>> = LazyLock::new(|| Ssl::new_ex_index().ok());

/// Makes the connections of a new `SSL_CTX`, which is for `url`, share `sessions`. A browser whose hello has no means to
/// resume keeps none.
pub(in crate::net) fn share(context: *mut c_void, tls: &Tls, url: &str, sessions: &Shared) {
    let means = [SESSION_TICKET, PSK_KEY_EXCHANGE_MODES];
    let resumes = means.iter().any(|one| tls.extensions.contains(one));
    let url = Url::parse(url).ok().filter(|_| resumes);
    let (Some(index), Some(url)) = (*PEER, url) else {
        return;
    };
    let host = url.host_str().unwrap_or_default().to_owned();
    // SAFETY: libcurl passes a live SSL_CTX of the BoringSSL that we link, and keeps ownership: hence ManuallyDrop.
    let mut context = ManuallyDrop::new(unsafe { SslContextBuilder::from_ptr(context.cast()) });
    context.set_ex_data(
        index,
        Peer {
            authority: format!("{host}:{}", url.port_or_known_default().unwrap_or(0)),
            host,
            sessions: sessions.clone(),
        },
    );
    context.set_session_cache_mode(SslSessionCacheMode::CLIENT | SslSessionCacheMode::NO_INTERNAL);
    // SAFETY: the context is alive, and the function has the form that BoringSSL asks for. The one of `boring` would
    // look for its data where only `boring` puts it.
    unsafe { ffi::SSL_CTX_sess_set_new_cb(context.as_ptr(), Some(new_session)) };
}

/// Keeps a session that a server has just given.
///
/// # Safety
/// As BoringSSL calls it: both are alive, and one reference to the session is ours if the answer is 1.
unsafe extern "C" fn new_session(ssl: *mut ffi::SSL, session: *mut ffi::SSL_SESSION) -> c_int {
    // SAFETY: the caller passes a live connection.
    let ssl = unsafe { SslRef::from_ptr(ssl) };
    let Some(peer) = peer(ssl) else {
        return 0;
    };
    // SAFETY: the caller passes a live session.
    let single_use = unsafe { ffi::SSL_SESSION_should_be_single_use(session) } == 1;
    // SAFETY: as the answer below says, the caller's reference is ours now.
    let session = unsafe { SslSession::from_ptr(session) };
    let mut sessions = peer.sessions.lock().unwrap_or_else(PoisonError::into_inner);
    sessions.keep(&peer.authority, session, single_use);
    1
}

/// Gives a connection that is about to shake hands the session that it may resume.
///
/// # Safety
/// `ssl` must be a live `SSL` that nobody else uses during the call.
pub(in crate::net) unsafe fn resume(ssl: *mut ffi::SSL) {
    // SAFETY: the caller vouches for `ssl`.
    let ssl = unsafe { SslRef::from_ptr_mut(ssl) };
    let Some(asked) = *ASKED else { return };
    if ssl.ex_data(asked).is_some() {
        return;
    }
    ssl.set_ex_data(asked, ());
    let session = peer(ssl).and_then(|peer| {
        let mut sessions = peer.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.take(&peer.authority)
    });
    if let Some(session) = session {
        // SAFETY: the session was made by a context of the same settings. That memory is short costs a full handshake.
        let _ = unsafe { ssl.set_session(&session) };
    }
}

/// Whom a connection is for, if it keeps sessions.
fn peer(ssl: &SslRef) -> Option<&Peer> {
    let peer = ssl.ssl_context().ex_data((*PEER)?)?;
    peer.is_named(ssl.servername(NameType::HOST_NAME))
        .then_some(peer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sessions(browser: &str) -> Sessions<u32> {
        Sessions::new(&crate::fingerprint::find(browser).unwrap().tls)
    }

    #[test]
    fn chrome_takes_the_newest_of_two_and_firefox_the_oldest() {
        for (browser, order) in [("chrome120", [3, 2]), ("firefox153", [2, 3])] {
            let mut sessions = sessions(browser);
            for session in [1, 2, 3] {
                sessions.keep("h:443", session, true);
            }
            sessions.keep("h:444", 9, true);
            let taken = [(); 3].map(|()| sessions.take("h:443"));
            assert_eq!(taken, [Some(order[0]), Some(order[1]), None], "{browser}");
        }
    }

    #[test]
    fn a_session_that_may_be_used_again_is_by_chrome_alone() {
        for (browser, again) in [("chrome120", Some(1)), ("firefox153", None)] {
            let mut sessions = sessions(browser);
            sessions.keep("h:443", 1, false);
            assert_eq!(sessions.take("h:443"), Some(1));
            assert_eq!(sessions.take("h:443"), again, "{browser}");
        }
    }

    #[test]
    fn hosts_are_forgotten_in_the_order_of_their_last_session() {
        let mut sessions = sessions("chrome120");
        for host in 0..=HOSTS {
            sessions.keep(&host.to_string(), 1, true);
            sessions.keep("0", 2, true);
        }
        assert_eq!(sessions.hosts.len(), HOSTS);
        assert_eq!((sessions.take("0"), sessions.take("1")), (Some(2), None));
    }

    #[test]
    fn a_proxy_is_not_the_peer() {
        let peer = |host: &str| Peer {
            host: host.to_owned(),
            authority: format!("{host}:443"),
            sessions: Arc::new(Mutex::new(Sessions::new(
                &crate::fingerprint::find("chrome120").unwrap().tls,
            ))),
        };
        assert!(peer("example.org").is_named(Some("Example.org")));
        assert!(peer("example.org.").is_named(Some("example.org")));
        assert!(!peer("example.org").is_named(Some("proxy.example")));
        assert!(!peer("example.org").is_named(None));
        assert!(peer("127.0.0.1").is_named(None) && peer("[::1]").is_named(None));
    }
}
