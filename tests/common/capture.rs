//! Holds what the origin noted against a fingerprint file, by the comparison of `hs fingerprint check`.

use hydrastream::fingerprint::compare::{self, Difference};
use hydrastream::fingerprint::observed::{self, Request};
use hydrastream::fingerprint::schema::Tls;
use hydrastream::fingerprint::wire::extension::{
    Body, ENCRYPTED_CLIENT_HELLO, Ech, SERVER_NAME, is_grease,
};
use hydrastream::fingerprint::wire::frames::{Payload, flag};
use hydrastream::fingerprint::wire::hello::ClientHello;

use super::origin::server::log::Connection;

/// A connection of the origin's log as the library notes connections.
pub fn observed(connection: &Connection) -> observed::Connection {
    let frames = connection.frames.iter();
    let priorities = frames.clone().filter_map(|frame| match frame.payload {
        Payload::Headers { priority, .. } => Some(priority),
        _ => None,
    });
    let blocks = connection.blocks.iter().zip(priorities);
    let answers = |payload: &Payload| matches!(payload, Payload::Settings(_));
    observed::Connection {
        hellos: ClientHello::parse_all(&connection.raw).unwrap_or_default(),
        records: connection.records.clone(),
        frames: connection.frames.clone(),
        // The first thing that answers the origin.
        opening: frames
            .clone()
            .position(|frame| frame.has(flag::ACK) && answers(&frame.payload)),
        requests: blocks
            .map(|((stream, block), priority)| Request::from_block(*stream, priority, block))
            .collect(),
        ..observed::Connection::default()
    }
}

/// Fails with each difference in words unless there is none.
pub fn assert_none(what: &str, found: impl IntoIterator<Item = Difference>) {
    let found: Vec<_> = found.into_iter().collect();
    assert!(found.is_empty(), "{what}: {found:#?}");
}

/// Fails unless this is a hello of the fingerprint to `host`.
pub fn assert_hello(what: &str, hello: &ClientHello, tls: &Tls, host: &str) {
    assert_none(what, compare::hello(tls, hello));
    let named = Body::ServerName(vec![host.to_owned()]);
    assert_eq!(hello.extension(SERVER_NAME), Some(&named), "{what}");
}

/// Extension types as sent, without GREASE.
pub fn extension_order(hello: &ClientHello) -> Vec<u16> {
    let ids = hello.extensions.iter().map(|extension| extension.id);
    ids.filter(|id| !is_grease(*id)).collect()
}

/// The payload length of the ECH extension.
pub fn ech_length(hello: &ClientHello) -> Option<u16> {
    let Some(Body::EncryptedClientHello(Ech::Outer { payload_length, .. })) =
        hello.extension(ENCRYPTED_CLIENT_HELLO)
    else {
        return None;
    };
    Some(*payload_length)
}
