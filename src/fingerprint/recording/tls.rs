//! `[tls]` out of many hellos of one browser.

use std::collections::{BTreeMap, BTreeSet};

use crate::fingerprint::observed::Connection;
use crate::fingerprint::schema::{Habit, Tls};
use crate::fingerprint::wire::extension::PADDING;
use crate::fingerprint::{describe, text};

/// Joins what the single hellos show. A browser sometimes changes its hello when it tries a lost connection again, so
/// what the most hellos agree on counts.
pub(super) fn tls(connections: &[Connection], notes: &mut Vec<String>) -> Tls {
    let hellos: Vec<_> = connections
        .iter()
        .filter_map(|connection| connection.hellos.first())
        .map(describe::tls)
        .collect();
    let mut kinds: BTreeMap<_, Vec<&Tls>> = BTreeMap::new();
    for (tls, _) in &hellos {
        kinds.entry(without_draws(tls)).or_default().push(tls);
    }
    let seen = kinds.into_values().max_by_key(Vec::len).unwrap_or_default();
    let mut tls = seen
        .first()
        .map(|tls| Tls::clone(tls))
        .expect("a page was opened over TLS");
    notes.push(format!("Seen on {} connections.", hellos.len()));
    if seen.len() < hellos.len() {
        let others = hellos.len() - seen.len();
        notes.push(format!(
            "{others} others had a ClientHello that differs in more than what is drawn; left out."
        ));
    }
    let orders: BTreeSet<_> = seen.iter().map(|tls| without_padding(tls)).collect();
    tls.permute_extensions = orders.len() > 1;
    notes.push(match orders.len() {
        1 => "The order of the extensions was the same on all.".to_owned(),
        count => format!("The extensions came in {count} orders."),
    });
    let padded = seen
        .iter()
        .filter(|tls| tls.extensions.contains(&PADDING))
        .count();
    if padded > 0 {
        notes.push(format!("{padded} hellos were padded."));
        if !tls.extensions.contains(&PADDING) {
            tls.extensions.push(PADDING);
        }
    }
    join_ech(&mut tls, &seen, notes);
    if tls.habits.contains(&Habit::SharedX25519) {
        tls.habits.extend([
            Habit::NoTicketWithPsk,
            Habit::OldestTicketFirst,
            Habit::SessionOnce,
        ]);
        notes.push(
            "No session was resumed: the habits of doing so are taken from Firefox 153.".to_owned(),
        );
    }
    let odd: BTreeSet<_> = hellos.iter().flat_map(|(_, odd)| odd).collect();
    notes.extend(odd.into_iter().map(|odd| {
        format!(
            "A file cannot say this: {}: {} instead of {}.",
            odd.field, odd.got, odd.expected
        )
    }));
    tls
}

/// Everything seen in an ECH extension may be drawn.
fn join_ech(tls: &mut Tls, seen: &[&Tls], notes: &mut Vec<String>) {
    let Some(ech) = &mut tls.ech_grease else {
        return;
    };
    let all = || seen.iter().filter_map(|tls| tls.ech_grease.as_ref());
    let union = |lists: Vec<&[u16]>| {
        lists
            .concat()
            .into_iter()
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect::<Vec<_>>()
    };
    ech.payload_lengths = union(all().map(|ech| ech.payload_lengths.as_slice()).collect());
    ech.aeads = union(all().map(|ech| ech.aeads.as_slice()).collect());
    let (lengths, aeads) = (&ech.payload_lengths, &ech.aeads);
    notes.push(format!(
        "ECH payload lengths: {lengths:?}, AEADs: {aeads:?}."
    ));
}

/// What must not vary: all of a hello but ECH's draws, padding, and the order of the extensions.
fn without_draws(tls: &Tls) -> Vec<text::Line> {
    let mut tls = tls.clone();
    tls.extensions = without_padding(&tls);
    tls.extensions.sort_unstable();
    tls.opaque_extensions.sort_by_key(|opaque| opaque.extension);
    tls.ech_grease = None;
    text::tls(&tls)
}

fn without_padding(tls: &Tls) -> Vec<u16> {
    tls.extensions
        .iter()
        .copied()
        .filter(|id| *id != PADDING)
        .collect()
}
