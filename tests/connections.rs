//! What the network edge promises of its connections, whatever becomes of the transfers on them.

use std::sync::Arc;
use std::time::Duration;

use hydrastream::fingerprint::{self, headers::Places};
use hydrastream::net::{self, Client, Event, Kind, Request};

use crate::common::origin::{MIB, Site, Via};

/// Bodies that nobody wants are let go with megabytes on their way. Their connection has as much room for the next as ever.
#[test]
fn bodies_that_are_let_go_leave_no_connection_closed() {
    let site = Site::new(Via::Http2);
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, site.ca_pem()).unwrap();
    for browser in ["chrome", "firefox", "safari"] {
        let fingerprint = Arc::new(fingerprint::find(browser).unwrap());
        let client = Client::new(net::Options {
            cacert: Some(ca.clone()),
            ..net::Options::new(fingerprint)
        });
        let client = client.unwrap();
        let ask = |size: u64| {
            client.start(Request {
                url: site.url(&format!("/x.bin?size={size}")),
                kind: Kind::Navigation,
                places: Places::default(),
                node: None,
                patient: false,
            })
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            for _ in 0..40 {
                let mut unwanted = ask(64 * MIB);
                let head = unwanted.next().await;
                assert!(matches!(head, Some(Event::Head(_))), "{head:?}");
                // As much comes as fits into the buffers between.
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            let mut wanted = ask(32 * MIB);
            let mut bytes = 0;
            loop {
                let event = tokio::time::timeout(Duration::from_secs(20), wanted.next()).await;
                match event.unwrap_or_else(|_| panic!("{browser}: stuck after {bytes} bytes")) {
                    Some(Event::Data(block)) => bytes += block.bytes.len() as u64,
                    Some(Event::End(end)) => break end.unwrap(),
                    Some(Event::Head(_)) => {}
                    None => panic!("{browser}: no end"),
                }
            }
            assert_eq!(bytes, 32 * MIB, "{browser}");
        });
    }
    assert_eq!(site.settle().connections().len(), 3, "a connection each");
}
