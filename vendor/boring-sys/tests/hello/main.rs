//! What the patches promise: ClientHellos are as listed, and handshakes work as they did.

mod browser;
mod wire;

use std::collections::BTreeSet;

use boring_sys as ffi;
use browser::Browser;
use wire::{handshake, hellos, server, Hello};

const GREASE: u16 = ffi::SSL_HELLO_GREASE as u16;
const TLS12: u16 = 0x0303;
const TLS13: u16 = 0x0304;
const P384: &[u16] = &[24];

fn is_grease(value: u16) -> bool {
    value & 0x0f0f == GREASE && value >> 8 == value & 0xff
}

/// `values` with each GREASE value replaced by the placeholder.
fn plain(values: &[u16]) -> Vec<u16> {
    values
        .iter()
        .map(|value| if is_grease(*value) { GREASE } else { *value })
        .collect()
}

/// Connects once. Returns the ClientHellos and how the handshake ended.
fn connect(browser: &Browser, server: *mut ffi::SSL_CTX) -> (Vec<Hello>, Result<(), String>) {
    // SAFETY: all objects are of this thread and leak with the test.
    let (sent, end) = unsafe { handshake(browser.client(browser.context()), ffi::SSL_new(server)) };
    (hellos(&sent), end)
}

fn first_hello(browser: &Browser) -> Hello {
    connect(browser, server(TLS13, &[])).0.remove(0)
}

#[test]
fn hello_is_as_listed() {
    for (name, browser) in browser::all() {
        let hello = first_hello(&browser);
        assert_eq!(plain(&hello.ciphers), browser.ciphers, "{name}");
        assert_eq!(hello.list(13, 2), browser.sigalgs, "{name}");
        assert_eq!(plain(&hello.list(10, 2)), browser.groups, "{name}");
        assert_eq!(plain(&hello.list(43, 1)), browser.versions, "{name}");
        let shares: Vec<u16> = hello.shares().iter().map(|(group, _)| *group).collect();
        assert_eq!(plain(&shares), browser.shares, "{name}");
        for (kind, body) in browser
            .bodies
            .iter()
            .filter(|(kind, _)| browser.extensions.contains(kind))
        {
            assert_eq!(hello.body(*kind), Some(*body), "{name}");
        }
        let mut asked: Vec<u16> = browser
            .extensions
            .iter()
            .copied()
            .filter(|kind| *kind != 44)
            .collect();
        let mut sent = plain(&hello.types());
        if hello.body(21).is_none() {
            asked.retain(|kind| *kind != 21);
        }
        if browser.permuted {
            asked.sort_unstable();
            sent.sort_unstable();
        }
        assert_eq!(sent, asked, "{name}");
    }
}

#[test]
fn chrome_shuffles_all_but_grease_and_padding() {
    let browser = browser::chrome120();
    let mut orders = BTreeSet::new();
    let mut middles = BTreeSet::new();
    for _ in 0..40 {
        let hello = first_hello(&browser);
        let types: Vec<u16> = hello
            .types()
            .into_iter()
            .filter(|kind| *kind != 21)
            .collect();
        let (first, last) = (types[0], types[types.len() - 1]);
        assert!(is_grease(first) && is_grease(last) && first != last);
        assert_eq!(
            (hello.body(first), hello.body(last)),
            (Some(&[][..]), Some(&[0][..]))
        );
        assert_eq!(
            hello.list(10, 2)[0],
            hello.shares()[0].0,
            "one GREASE group"
        );
        middles.insert(types[1]);
        middles.insert(types[types.len() - 2]);
        orders.insert(types[1..types.len() - 1].to_vec());
    }
    assert_eq!(orders.len(), 40);
    assert!(
        middles.len() > 10,
        "every extension can come first or last: {middles:?}"
    );
}

#[test]
fn chrome_pads_only_what_is_short() {
    let mut lengths = BTreeSet::new();
    for _ in 0..60 {
        let hello = first_hello(&browser::chrome120());
        let ech = hello.body(65037).expect("sent").len() - 42;
        assert_eq!(hello.body(21).is_some(), ech == 144, "payload of {ech}");
        assert!(hello
            .body(21)
            .is_none_or(|padding| padding.iter().all(|byte| *byte == 0)));
        assert!(hello.body(21).is_none() || hello.types().last() == Some(&21));
        lengths.insert(hello.len);
    }
    // As recorded from Chromium 120 on `localhost`.
    assert_eq!(
        lengths.into_iter().collect::<Vec<_>>(),
        [512, 524, 556, 588]
    );
    assert_eq!(first_hello(&browser::safari18()).len, 512);
}

#[test]
fn firefox_shares_its_x25519_key_and_draws_the_aead() {
    let mut aeads = BTreeSet::new();
    for _ in 0..40 {
        let hello = first_hello(&browser::firefox144());
        let shares = hello.shares();
        assert_eq!(shares[0].1[1184..], shares[1].1[..]);
        let ech = hello.body(65037).expect("sent");
        assert_eq!((&ech[..3], ech.len()), (&[0, 0, 1][..], 42 + 239));
        aeads.insert(ech[4]);
    }
    assert_eq!(aeads, BTreeSet::from([1, 3]));
    // As recorded from Firefox 140 on `localhost`.
    assert_eq!(first_hello(&browser::firefox144()).len, 1889);
}

#[test]
fn handshakes_complete() {
    for (name, browser) in browser::all() {
        for version in [TLS13, TLS12] {
            let (hellos, end) = connect(&browser, server(version, &[]));
            assert_eq!((hellos.len(), end), (1, Ok(())), "{name} {version:x}");
        }
        for group in browser.shares.iter().filter(|group| **group != GREASE) {
            let (hellos, end) = connect(&browser, server(TLS13, &[*group]));
            assert_eq!((hellos.len(), end), (1, Ok(())), "{name} group {group}");
        }
    }
}

#[test]
fn retry_changes_the_key_share_alone() {
    for (name, browser) in browser::all() {
        let (hellos, end) = connect(&browser, server(TLS13, P384));
        assert_eq!((hellos.len(), end), (2, Ok(())), "{name}");
        let (first, second) = (&hellos[0], &hellos[1]);
        assert_eq!(first.ciphers, second.ciphers, "{name}");
        let unpadded = |hello: &Hello| -> Vec<u16> {
            hello
                .types()
                .into_iter()
                .filter(|kind| *kind != 21)
                .collect()
        };
        assert_eq!(unpadded(first), unpadded(second), "{name}");
        assert_eq!(second.body(21), None, "{name}");
        for kind in unpadded(first).into_iter().filter(|kind| *kind != 51) {
            assert_eq!(
                first.body(kind),
                second.body(kind),
                "{name} extension {kind}"
            );
        }
        let shares: Vec<u16> = second.shares().iter().map(|(group, _)| *group).collect();
        assert_eq!(shares, P384, "{name}");
    }
}

#[test]
fn answers_to_written_extensions_are_ignored() {
    // The server answers ALPN, which here is nothing BoringSSL knows to have sent.
    let mut browser = browser::firefox144();
    browser.bodies = &[
        (16, b"\x00\x03\x02h2"),
        (34, &[0, 2, 4, 3]),
        (28, &[0x40, 1]),
    ];
    let (hellos, end) = connect(&browser, server(TLS13, &[]));
    assert_eq!(hellos[0].body(16), Some(&b"\x00\x03\x02h2"[..]));
    assert_eq!(end, Ok(()));
}

#[test]
fn what_is_only_advertised_is_refused() {
    let mut browser = browser::safari18();
    browser.extensions = &[0, 10, 13, 43, 51];
    let (_, end) = connect(&browser, server(0x0302, &[]));
    assert!(end.is_err(), "TLS 1.1 is below the minimum");
}

#[test]
fn unknown_extension_without_bytes_is_an_error() {
    let mut browser = browser::firefox144();
    browser.bodies = &[];
    let (_, end) = connect(&browser, server(TLS13, &[]));
    assert!(end.is_err_and(|error| error.contains("ERROR_ADDING_EXTENSION")));
}

#[test]
fn resumption_keeps_the_habits() {
    for (name, browser) in browser::all() {
        let (ctx, server) = (browser.context(), server(TLS13, &[]));
        // SAFETY: as in `connect`.
        let second = unsafe {
            ffi::SSL_CTX_set_session_cache_mode(ctx, ffi::SSL_SESS_CACHE_CLIENT);
            ffi::SSL_CTX_sess_set_new_cb(ctx, Some(keep));
            assert_eq!(
                handshake(browser.client(ctx), ffi::SSL_new(server)).1,
                Ok(()),
                "{name}"
            );
            let client = browser.client(ctx);
            let session = KEPT.take();
            assert!(session.is_null() || ffi::SSL_set_session(client, session) == 1);
            let (sent, end) = handshake(client, ffi::SSL_new(server));
            assert_eq!(end, Ok(()), "{name}");
            let offered = browser.extensions.contains(&45);
            assert_eq!(ffi::SSL_session_reused(client) == 1, offered, "{name}");
            hellos(&sent).remove(0)
        };
        let offered = browser.extensions.contains(&45);
        assert_eq!(second.types().last() == Some(&41), offered, "{name}");
        let ticket = browser.extensions.contains(&35) && browser.habits == 0;
        assert_eq!(second.body(35).is_some(), ticket, "{name}");
    }
}

thread_local! {
    /// The latest session that a server gave.
    static KEPT: std::cell::Cell<*mut ffi::SSL_SESSION> = const { std::cell::Cell::new(std::ptr::null_mut()) };
}

unsafe extern "C" fn keep(_: *mut ffi::SSL, session: *mut ffi::SSL_SESSION) -> std::os::raw::c_int {
    KEPT.set(session);
    1
}

#[test]
fn without_lists_nothing_changes() {
    // SAFETY: as in `connect`.
    let (sent, end) = unsafe {
        let ctx = ffi::SSL_CTX_new(ffi::TLS_method());
        ffi::SSL_CTX_set_grease_enabled(ctx, 1);
        handshake(ffi::SSL_new(ctx), ffi::SSL_new(server(TLS13, &[])))
    };
    let hello = hellos(&sent).remove(0);
    assert_eq!(end, Ok(()));
    assert!(
        is_grease(hello.ciphers[0])
            && is_grease(hello.list(13, 2)[0])
            && is_grease(hello.list(43, 1)[0])
    );
    assert!(is_grease(hello.types()[0]) && is_grease(*hello.types().last().expect("some")));
    assert_eq!(
        plain(
            &hello
                .shares()
                .iter()
                .map(|share| share.0)
                .collect::<Vec<_>>()
        ),
        [GREASE, 4588, 29]
    );
}
