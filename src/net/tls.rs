//! Puts the TLS part of a fingerprint on BoringSSL's objects.
//!
//! What BoringSSL keeps per context is set when libcurl has made one for a new connection ([`dress_context`]); what it
//! keeps per connection, when that is created ([`dress_connection`]). Lists go through the overrides that
//! `vendor/boring-sys` adds: they change what a ClientHello advertises, not what BoringSSL can do, so a server that
//! selects something else fails the handshake. libcurl's own settings (verification, ALPN, SNI) stay.

mod compression;
pub(super) mod sessions;

use std::ffi::{c_int, c_void};
use std::mem::ManuallyDrop;

use boring::error::ErrorStack;
use boring::ssl::{SslContextBuilder, SslOptions, SslVersion};
use boring_sys::{self as ffi, ssl_hello_list_t as list};

use crate::fingerprint::Fingerprint;
use crate::fingerprint::names::{ALPS, ALPS_OLD, ECH, GREASE};
use crate::fingerprint::schema::{Habit, Tls};

const STATUS_REQUEST: u16 = 5;
const SIGNED_CERTIFICATE_TIMESTAMP: u16 = 18;

/// All that BoringSSL implements: what a hello advertises is the fingerprint's list, and whatever of that a server
/// selects should work. `ALL` leaves out what it calls deprecated, but old Safaris advertise it.
const CIPHERS: &str = "ALL:3DES:ECDHE-ECDSA-AES128-SHA256:ECDHE-RSA-AES128-SHA256";

/// Called by libcurl for each new `SSL_CTX` (`CURLOPT_SSL_CTX_FUNCTION`).
pub(super) fn dress_context(context: *mut c_void, tls: &Tls) -> Result<(), curl::Error> {
    // SAFETY: libcurl passes a live SSL_CTX of the BoringSSL that we link, and keeps ownership: hence ManuallyDrop.
    let mut context = ManuallyDrop::new(unsafe { SslContextBuilder::from_ptr(context.cast()) });
    let dressed = features(&mut context, tls).is_ok()
        && compression::accept(&context, tls)
        && lists(&context, tls)
        && bodies(&context, tls);
    dressed
        .then_some(())
        .ok_or_else(|| curl::Error::new(curl_sys::CURLE_SSL_CONNECT_ERROR))
}

/// What BoringSSL does by itself once it is told to.
fn features(context: &mut SslContextBuilder, tls: &Tls) -> Result<(), ErrorStack> {
    let listed = |extension| tls.extensions.contains(&extension);
    // libcurl switches tickets off, and with them the extension.
    context.clear_options(SslOptions::NO_TICKET);
    context.set_min_proto_version(tls.real_versions().min().and_then(version))?;
    context.set_max_proto_version(tls.real_versions().max().and_then(version))?;
    context.set_cipher_list(CIPHERS)?;
    context.set_grease_enabled(tls.ciphers.contains(&GREASE));
    context.set_permute_extensions(tls.permute_extensions);
    if listed(SIGNED_CERTIFICATE_TIMESTAMP) {
        context.enable_signed_cert_timestamps();
    }
    if listed(STATUS_REQUEST) {
        context.enable_ocsp_stapling();
    }
    let habits = tls.habits.iter().map(|habit| match habit {
        Habit::SharedX25519 => ffi::SSL_HELLO_SHARED_X25519,
        Habit::NoTicketWithPsk => ffi::SSL_HELLO_NO_TICKET_WITH_PSK,
        // Those of the memory for sessions.
        Habit::OldestTicketFirst | Habit::SessionOnce => 0,
    });
    let habits = habits.fold(0, |all, habit| all | habit as u32);
    // SAFETY: the context is alive.
    unsafe { ffi::SSL_CTX_hello_set_habits(context.as_ptr(), habits) };
    Ok(())
}

fn version(code: u16) -> Option<SslVersion> {
    match code {
        0x0301 => Some(SslVersion::TLS1),
        0x0302 => Some(SslVersion::TLS1_1),
        0x0303 => Some(SslVersion::TLS1_2),
        0x0304 => Some(SslVersion::TLS1_3),
        _ => None,
    }
}

/// What a ClientHello advertises; false if memory is short.
fn lists(context: &SslContextBuilder, tls: &Tls) -> bool {
    let ech = tls.ech_grease.as_ref();
    let lists: [(list, &[u16]); 8] = [
        (list::ssl_hello_ciphers, &tls.ciphers),
        (list::ssl_hello_sigalgs, &tls.signature_algorithms),
        (list::ssl_hello_groups, &tls.groups),
        (list::ssl_hello_key_shares, &tls.key_shares),
        (list::ssl_hello_versions, &tls.versions),
        (list::ssl_hello_extensions, &tls.extensions),
        (list::ssl_hello_ech_aeads, ech.map_or(&[], |ech| &ech.aeads)),
        (
            list::ssl_hello_ech_lengths,
            ech.map_or(&[], |ech| &ech.payload_lengths),
        ),
    ];
    lists.into_iter().all(|(name, values)| {
        // SAFETY: the context is alive, and the call copies the values.
        unsafe {
            ffi::SSL_CTX_hello_set1_list(context.as_ptr(), name, values.as_ptr(), values.len()) == 1
        }
    })
}

/// Extensions that the file spells out; false if memory is short.
fn bodies(context: &SslContextBuilder, tls: &Tls) -> bool {
    let bodies = tls.bodies().into_iter().all(|(extension, body)| {
        let (bytes, length) = (body.as_ptr(), body.len());
        // SAFETY: the context is alive, and the call copies the bytes.
        unsafe {
            ffi::SSL_CTX_hello_set1_extension(context.as_ptr(), extension, bytes, length) == 1
        }
    });
    // As BoringSSL wants them: each behind a byte for its length.
    let anchors: Vec<u8> = tls
        .trust_anchors
        .iter()
        .flat_map(|id| [&[u8::try_from(id.len()).unwrap_or(0)][..], id].concat())
        .collect();
    // SAFETY: the context is alive, and the call copies the bytes.
    let set = |bytes: &[u8]| unsafe {
        ffi::SSL_CTX_set1_requested_trust_anchors(context.as_ptr(), bytes.as_ptr(), bytes.len())
    };
    bodies && (anchors.is_empty() || set(&anchors) == 1)
}

/// Called for each new connection of a driver thread.
///
/// # Safety
/// `ssl` must be a live `SSL` that nobody else uses during the call.
pub(super) unsafe fn dress_connection(ssl: *mut ffi::SSL, fingerprint: &Fingerprint) {
    let tls = &fingerprint.tls;
    let listed = |extension| c_int::from(tls.extensions.contains(&extension));
    // SAFETY: the caller vouches for `ssl`; the protocols outlive the calls, which copy them.
    unsafe {
        ffi::SSL_set_enable_ech_grease(ssl, listed(ECH));
        for protocol in &tls.application_settings {
            let (bytes, length) = (protocol.as_ptr(), protocol.len());
            ffi::SSL_add_application_settings(ssl, bytes, length, std::ptr::null(), 0);
        }
        if listed(ALPS) + listed(ALPS_OLD) > 0 {
            ffi::SSL_set_alps_use_new_codepoint(ssl, listed(ALPS));
        }
    }
}

#[cfg(test)]
mod tests;
