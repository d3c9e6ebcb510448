//! One ClientHello against the file, with room for what the file says is drawn.

use super::{Difference, lines};
use crate::fingerprint::schema::{Habit, OpaqueExtension, Tls};
use crate::fingerprint::wire::extension::{
    Body, EARLY_DATA, PADDING, PRE_SHARED_KEY, PSK_KEY_EXCHANGE_MODES, SESSION_TICKET, is_grease,
};
use crate::fingerprint::wire::hello::ClientHello;
use crate::fingerprint::{describe, text};

/// Differences between a first ClientHello and the file.
#[must_use]
pub fn hello(expected: &Tls, hello: &ClientHello) -> Vec<Difference> {
    let (mut seen, mut found) = describe::tls(hello);
    found.extend(padding(expected, hello));
    allow_draws(expected, &mut seen);
    let mut expected = expected.clone();
    if leaves_out_ticket(&expected, hello) {
        expected.extensions.retain(|id| *id != SESSION_TICKET);
    }
    // Only two shares of x25519 could tell the one, and only resumed connections the others.
    let tells = expected.key_shares.contains(&describe::X25519_MLKEM768);
    expected.habits.retain(|habit| match habit {
        Habit::SharedX25519 => tells,
        Habit::NoTicketWithPsk | Habit::OldestTicketFirst | Habit::SessionOnce => false,
    });
    found.extend(lines("tls", &text::tls(&expected), &text::tls(&seen)));
    found
}

/// Replaces what one connection has drawn by what it may have been drawn from.
fn allow_draws(expected: &Tls, seen: &mut Tls) {
    if let (Some(may), Some(drawn)) = (&expected.ech_grease, &seen.ech_grease)
        && drawn
            .payload_lengths
            .iter()
            .all(|length| may.payload_lengths.contains(length))
        && drawn.aeads.iter().all(|aead| may.aeads.contains(aead))
    {
        seen.ech_grease.clone_from(&expected.ech_grease);
    }
    // Whether it should be there is another question, which `padding` asks.
    if let Some(at) = expected.extensions.iter().position(|id| *id == PADDING)
        && !seen.extensions.contains(&PADDING)
    {
        seen.extensions
            .insert(at.min(seen.extensions.len()), PADDING);
    }
    if expected.permute_extensions {
        seen.permute_extensions = true;
        let sorted = |tls: &Tls| {
            let mut extensions = tls.extensions.clone();
            extensions.sort_unstable();
            extensions
        };
        let fixed = |tls: &Tls| {
            let extensions = tls.extensions.iter().enumerate();
            extensions
                .filter(|(_, id)| is_grease(**id))
                .map(|(at, _)| at)
                .collect::<Vec<_>>()
        };
        if sorted(expected) == sorted(seen) && fixed(expected) == fixed(seen) {
            seen.extensions.clone_from(&expected.extensions);
        }
        let by_number = |opaque: &OpaqueExtension| opaque.extension;
        seen.opaque_extensions.sort_by_key(by_number);
        if expected.opaque_extensions.len() == seen.opaque_extensions.len()
            && expected
                .opaque_extensions
                .iter()
                .all(|it| seen.opaque_extensions.contains(it))
        {
            seen.opaque_extensions
                .clone_from(&expected.opaque_extensions);
        }
    }
}

/// Hellos of 256 to 511 bytes are padded to 512, or by one byte where that is too near (RFC 7685 §4).
fn padding(expected: &Tls, hello: &ClientHello) -> Option<Difference> {
    let seen = hello.extension(PADDING).map(|body| {
        if let Body::Padding { length, .. } = body {
            usize::from(*length)
        } else {
            0
        }
    });
    let unpadded = hello.message_length - seen.map_or(0, |length| length + 4);
    let due =
        (expected.extensions.contains(&PADDING) && (256..512).contains(&unpadded)).then(|| {
            (512 - unpadded)
                .checked_sub(4)
                .filter(|length| *length > 0)
                .unwrap_or(1)
        });
    let words =
        |length: Option<usize>| length.map_or("none".to_owned(), |it| format!("{it} bytes"));
    (seen != due).then(|| {
        let field = format!("padding of a hello of {unpadded} bytes");
        Difference::new(field, words(due), words(seen))
    })
}

/// What a first connection must not show: that it resumes a session.
#[must_use]
pub fn first(hello: &ClientHello) -> Option<Difference> {
    let got = resumption(hello)?;
    Some(Difference::new("resumption", "none", got))
}

/// What a hello must show that resumes a session of TLS 1.3 (or of 1.2, if that is the newest that the server speaks).
#[must_use]
pub fn resumed(expected: &Tls, hello: &ClientHello, modern: bool) -> Option<Difference> {
    let listed = |id| expected.extensions.contains(&id);
    let wanted = if modern && listed(PSK_KEY_EXCHANGE_MODES) {
        "one pre-shared key, last"
    } else if !modern && listed(SESSION_TICKET) {
        "a ticket"
    } else {
        "none"
    };
    let got = resumption(hello).unwrap_or_else(|| "none".to_owned());
    (wanted != got).then(|| Difference::new("resumption", wanted, got))
}

/// How a hello resumes a session, in words; `None` if it does not.
fn resumption(hello: &ClientHello) -> Option<String> {
    if hello.extension(EARLY_DATA).is_some() {
        return Some("early data".to_owned());
    }
    let last = hello.extensions.last().map(|extension| extension.id);
    if let Some(psk) = hello.extension(PRE_SHARED_KEY) {
        let one = matches!(psk, Body::PreSharedKey { identities, binders }
            if identities.len() == 1 && binders.len() == 1);
        let usual = one && last == Some(PRE_SHARED_KEY);
        let words = if usual {
            "one pre-shared key, last".to_owned()
        } else {
            format!("{psk:?}")
        };
        return Some(words);
    }
    let ticket = hello
        .extensions
        .iter()
        .find(|extension| extension.id == SESSION_TICKET);
    ticket
        .is_some_and(|ticket| ticket.length > 0)
        .then(|| "a ticket".to_owned())
}

/// NSS has no place for a ticket beside a pre-shared key.
fn leaves_out_ticket(expected: &Tls, hello: &ClientHello) -> bool {
    expected.habits.contains(&Habit::NoTicketWithPsk) && hello.extension(PRE_SHARED_KEY).is_some()
}

/// Differences between the hello that follows a HelloRetryRequest and the first one: only the key share changes, to the
/// one group that was asked for.
#[must_use]
pub fn second_hello(first: &ClientHello, second: &ClientHello) -> Vec<Difference> {
    let mut found = Vec::new();
    let mut same = |field: &str, is: bool| {
        if !is {
            found.push(Difference::new(
                format!("second hello: {field}"),
                "as in the first",
                "another",
            ));
        }
    };
    same("random", first.random == second.random);
    same("session id", first.session_id == second.session_id);
    same("ciphers", first.ciphers == second.ciphers);
    let others = |hello: &ClientHello| {
        let mut extensions = hello.extensions.clone();
        extensions.retain(|it| !matches!(it.body, Body::KeyShares(_) | Body::Padding { .. }));
        extensions
    };
    same("extensions", others(first) == others(second));
    if second.key_shares().len() != 1 {
        let got = format!("{} shares", second.key_shares().len());
        found.push(Difference::new("second hello: key share", "1 share", got));
    }
    found
}
