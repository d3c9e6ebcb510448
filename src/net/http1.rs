//! The header list of a request over HTTP/1.1, which libcurl is given when the connection is there and speaks that.
//!
//! Over HTTP/2 the browser's list takes the place of libcurl's anyhow, see [`super::hooks`]. libcurl would print that of
//! HTTP/1.1 byte by byte, read it back and copy it all the same, at a quarter of what a request costs it.

use std::cell::{Cell, RefCell};
use std::ffi::{CString, c_char, c_int, c_void};
use std::ptr;
use std::rc::Rc;
use std::sync::Arc;

use curl::easy::{Easy2, List};
use curl_sys::{CURL, CURLOPTTYPE_FUNCTIONPOINT, CURLOPTTYPE_OBJECTPOINT, CURLoption, curl_slist};

use super::handler::Body;
use super::setup::{authority, checked, scheme};
use super::{Request, info, trace};
use crate::fingerprint::Fingerprint;
use crate::fingerprint::headers::{self, Places, Proxied};

/// What the bindings lack of `curl/curl.h`: what libcurl calls when the connection is there and nothing was asked on it yet.
const CURLOPT_PREREQFUNCTION: CURLoption = CURLOPTTYPE_FUNCTIONPOINT + 312;
const CURLOPT_PREREQDATA: CURLoption = CURLOPTTYPE_OBJECTPOINT + 313;

/// What it may answer.
const CURL_PREREQFUNC_OK: c_int = 0;
const CURL_PREREQFUNC_ABORT: c_int = 1;

/// What libcurl would add by itself, `Proxy-Connection` to a proxy.
const UNWANTED: [&str; 2] = ["Accept:", "Proxy-Connection:"];

/// What a request shows over HTTP/1.1. Lives as long as the transfer.
pub(super) struct Fields {
    request: Rc<Request>,
    /// As in [`Places`].
    proxied: Option<Proxied>,
    fingerprint: Arc<Fingerprint>,
    easy: Cell<*mut CURL>,
    /// Whether the connection speaks HTTP/1.1; known when it is there.
    wanted: Cell<bool>,
    /// What libcurl was given; it makes no copy.
    given: RefCell<Option<Given>>,
}

impl Fields {
    pub(super) fn new(
        request: Rc<Request>,
        proxied: Option<Proxied>,
        fingerprint: Arc<Fingerprint>,
    ) -> Rc<Self> {
        Rc::new(Self {
            request,
            proxied,
            fingerprint,
            easy: Cell::new(ptr::null_mut()),
            wanted: Cell::new(false),
            given: RefCell::default(),
        })
    }

    /// Has `easy` ask for them when it knows what it speaks. Until then it has a list that will do for HTTP/2.
    pub(super) fn wait(self: Rc<Self>, easy: &mut Easy2<Body>) -> Result<(), curl::Error> {
        let mut list = List::new();
        list.append(&format!("Host: {}", self.host()))?;
        easy.http_headers(list)?;
        self.easy.set(easy.raw());
        let give: PrereqCallback = give;
        // SAFETY: the handle is alive, and the options take a function of this kind and a pointer for it. The pointer is good as
        // long as the handle: that owns the handler, which owns these fields from here on.
        unsafe {
            checked(curl_sys::curl_easy_setopt(
                easy.raw(),
                CURLOPT_PREREQFUNCTION,
                give,
            ))?;
            let data = Rc::as_ptr(&self).cast::<c_void>();
            checked(curl_sys::curl_easy_setopt(
                easy.raw(),
                CURLOPT_PREREQDATA,
                data,
            ))?;
        }
        easy.get_mut().set_fields(self);
        Ok(())
    }

    /// Whether the connection is there, and speaks HTTP/1.1.
    pub(super) fn are_wanted(&self) -> bool {
        self.wanted.get()
    }

    /// libcurl puts `Connection` behind all others wherever it stands in the list, and browsers do not. Of `Host` it takes over
    /// the text as it is, so the whole list goes there.
    fn lines(&self) -> Option<Given> {
        let places = match &self.proxied {
            None => &self.request.places,
            Some(proxied) => &Places {
                proxied: Some(proxied.clone()),
                ..self.request.places.clone()
            },
        };
        let fields = headers::compose(
            self.request.kind.shape(&self.fingerprint),
            1,
            scheme(&self.request.url),
            &self.fingerprint.values,
            places,
        );
        let mut text = format!("Host: {}", self.host());
        for (name, value) in &fields {
            text.extend(["\r\n", name, ": ", value]);
        }
        let mut given = Given(ptr::null_mut());
        given.append(&text)?;
        for name in UNWANTED {
            given.append(name)?;
        }
        Some(given)
    }

    /// What `Host` says: libcurl takes `:authority` from there.
    fn host(&self) -> &str {
        let mut edits = self.request.places.edits.iter();
        let edit = edits.rfind(|edit| edit.name.eq_ignore_ascii_case("host"));
        edit.and_then(|edit| edit.value.as_deref())
            .unwrap_or_else(|| authority(&self.request.url))
    }
}

/// A list of libcurl's.
struct Given(*mut curl_slist);

impl Given {
    /// `None` if there is no memory, or the text has a zero in it.
    fn append(&mut self, text: &str) -> Option<()> {
        let text = CString::new(text).ok()?;
        // SAFETY: the list is libcurl's own or none, and the text, which is copied, ends with a zero.
        let list = unsafe { curl_sys::curl_slist_append(self.0, text.as_ptr()) };
        (!list.is_null()).then(|| self.0 = list)
    }
}

impl Drop for Given {
    fn drop(&mut self) {
        // SAFETY: the list is nobody else's: a handle that was given it is not used any more, or has been given another.
        unsafe { curl_sys::curl_slist_free_all(self.0) }
    }
}

type PrereqCallback = unsafe extern "C" fn(
    data: *mut c_void,
    remote: *mut c_char,
    local: *mut c_char,
    remote_port: c_int,
    local_port: c_int,
) -> c_int;

unsafe extern "C" fn give(
    fields: *mut c_void,
    _: *mut c_char,
    _: *mut c_char,
    _: c_int,
    _: c_int,
) -> c_int {
    // SAFETY: it was set together with this function, and is shared by nobody who would change it.
    let fields = unsafe { &*fields.cast::<Fields>() };
    let easy = fields.easy.get();
    let is_http2 = info::chose_http2(easy as usize);
    fields.wanted.set(!is_http2);
    // Whoever listens is told what libcurl says of the request.
    if is_http2 && !trace::is_on() {
        return CURL_PREREQFUNC_OK;
    }
    let Some(lines) = fields.lines() else {
        return CURL_PREREQFUNC_ABORT;
    };
    // SAFETY: the handle calls back, so it is alive; setting an option is allowed then, and this one is a list, which is kept
    // as long as the handle, or until it has another.
    let code = unsafe { curl_sys::curl_easy_setopt(easy, curl_sys::CURLOPT_HTTPHEADER, lines.0) };
    if checked(code).is_err() {
        return CURL_PREREQFUNC_ABORT;
    }
    fields.given.replace(Some(lines));
    CURL_PREREQFUNC_OK
}
