//! Whether over several connections that varies which should, and no more.
//!
//! A test of chance must not fail by chance: with [`ENOUGH`] connections a fair draw passes but once in some millions, while
//! a constant never does.

use std::collections::BTreeSet;

use super::Difference;
use crate::fingerprint::names;
use crate::fingerprint::schema::Tls;
use crate::fingerprint::wire::extension::{Body, Ech, PADDING, is_grease};
use crate::fingerprint::wire::hello::ClientHello;

/// With fewer connections nothing is said about chance.
const ENOUGH: usize = 8;

/// Differences of several first hellos of one client in what varies among them.
#[must_use]
pub fn variation(expected: &Tls, hellos: &[&ClientHello]) -> Vec<Difference> {
    if hellos.len() < ENOUGH {
        return Vec::new();
    }
    let mut check = Check {
        hellos,
        found: Vec::new(),
    };
    check.all_differ("random", |hello| hello.random.to_vec());
    check.all_differ("session id", |hello| hello.session_id.clone());
    check.all_differ("key shares", |hello| {
        let real = hello
            .key_shares()
            .iter()
            .filter(|share| !is_grease(share.group));
        real.flat_map(|share| share.key.clone()).collect()
    });
    check.order(expected.permute_extensions);
    if let Some(ech) = &expected.ech_grease {
        check.drawn(
            "ECH payload length",
            ech.payload_lengths.len() > 1,
            |hello| outer(hello).map(|(length, _)| length),
        );
        check.drawn("ECH AEAD", ech.aeads.len() > 1, |hello| {
            outer(hello).map(|(_, aead)| aead)
        });
    }
    let greased = |list: &[u16]| list.contains(&names::GREASE);
    check.drawn("GREASE cipher", greased(&expected.ciphers), |hello| {
        grease(&hello.ciphers, 0)
    });
    check.drawn("GREASE group", greased(&expected.groups), |hello| {
        grease(hello.groups(), 0)
    });
    check.drawn("GREASE version", greased(&expected.versions), |hello| {
        grease(hello.versions(), 0)
    });
    let algorithms = greased(&expected.signature_algorithms);
    check.drawn("GREASE signature algorithm", algorithms, |hello| {
        grease(hello.signature_algorithms(), 0)
    });
    let extensions = expected
        .extensions
        .iter()
        .filter(|id| **id == names::GREASE)
        .count();
    for nth in 0..2 {
        check.drawn(
            &format!("GREASE extension {}", nth + 1),
            extensions > nth,
            |hello| {
                let ids: Vec<_> = hello
                    .extensions
                    .iter()
                    .map(|extension| extension.id)
                    .collect();
                grease(&ids, nth)
            },
        );
    }
    check.found
}

/// The hellos under judgement and what was found.
struct Check<'a> {
    hellos: &'a [&'a ClientHello],
    found: Vec<Difference>,
}

impl Check<'_> {
    /// Random bytes never come twice.
    fn all_differ(&mut self, field: &str, of: impl Fn(&ClientHello) -> Vec<u8>) {
        let values: Vec<_> = self.hellos.iter().map(|hello| of(hello)).collect();
        let different: BTreeSet<_> = values.iter().collect();
        // A client may send no session id at all; the single hello is judged elsewhere.
        if different.len() < values.len() && values.iter().any(|value| !value.is_empty()) {
            let got = format!("{} values on {} connections", different.len(), values.len());
            self.found
                .push(Difference::new(field, "another on each connection", got));
        }
    }

    /// A value of `of` for each hello: several if it is drawn, else one.
    fn drawn(&mut self, field: &str, varies: bool, of: impl Fn(&ClientHello) -> Option<u16>) {
        let values: BTreeSet<_> = self.hellos.iter().map(|hello| of(hello)).collect();
        if (values.len() > 1) != varies {
            let expected = if varies {
                "drawn for each connection"
            } else {
                "the same on all"
            };
            let got = format!(
                "{} different on {} connections",
                values.len(),
                self.hellos.len()
            );
            self.found.push(Difference::new(field, expected, got));
        }
    }

    fn order(&mut self, permuted: bool) {
        let orders: BTreeSet<Vec<u16>> = self
            .hellos
            .iter()
            .map(|hello| {
                let ids = hello.extensions.iter().map(|extension| extension.id);
                ids.filter(|id| !is_grease(*id) && *id != PADDING).collect()
            })
            .collect();
        let wanted = if permuted { self.hellos.len() / 2 } else { 1 };
        if permuted && orders.len() < wanted || !permuted && orders.len() > 1 {
            let expected = if permuted {
                "shuffled for each connection"
            } else {
                "the same on all"
            };
            let got = format!(
                "{} orders on {} connections",
                orders.len(),
                self.hellos.len()
            );
            self.found
                .push(Difference::new("order of extensions", expected, got));
        }
    }
}

/// The `nth` GREASE value of a list.
fn grease(codes: &[u16], nth: usize) -> Option<u16> {
    codes
        .iter()
        .copied()
        .filter(|code| is_grease(*code))
        .nth(nth)
}

fn outer(hello: &ClientHello) -> Option<(u16, u16)> {
    if let Some(Body::EncryptedClientHello(Ech::Outer {
        payload_length,
        aead,
        ..
    })) = hello.extension(names::ECH)
    {
        Some((*payload_length, *aead))
    } else {
        None
    }
}
