//! How long `hs` waits for what: each of these would take minutes if its option were passed over.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use crate::common::count::counter;
use crate::common::hs::{Done, Hs};
use crate::common::origin::server::script::{Act, Point, Reply};
use crate::common::origin::{MIB, Site, Via};

/// Less than any of the defaults would take, with room for a busy machine.
const SOON: Duration = Duration::from_secs(25);

fn soon(hs: &Hs, arguments: &[&str]) -> Done {
    let begun = Instant::now();
    let done = hs.run(arguments);
    assert!(
        begun.elapsed() < SOON,
        "it took {:?}:\n{}",
        begun.elapsed(),
        done.stderr
    );
    done
}

#[test]
fn a_connection_that_is_not_made_is_given_up_in_time() {
    // Takes connections and says nothing, so that TLS never comes about.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!(
        "https://127.0.0.1:{}/x.bin",
        silent.local_addr().unwrap().port()
    );
    let begun = Instant::now();
    let done = Hs::new().run(&["--connect-timeout", "0.5", "--retries", "0", &url]);
    done.exits(4);
    assert!(
        begun.elapsed() < Duration::from_secs(12),
        "{:?}",
        begun.elapsed()
    );
}

#[test]
fn a_body_that_stops_is_given_up_in_time() {
    let site = Site::behaving(Via::Clear, |_, reply| {
        reply.fault(Point::Body(MIB), Act::Stall(None))
    });
    let url = site.url(&format!("/x.bin?size={}&ranges=none", 4 * MIB));
    soon(
        &Hs::new(),
        &["--stall-timeout", "1", "--retries", "0", &url],
    )
    .exits(4);
}

/// Each answer has a head and no byte, and breaks before the patience is over.
#[test]
fn a_server_that_only_begins_is_given_up_in_time() {
    let wait = Duration::from_secs(2);
    let site = Site::behaving(Via::Clear, move |_, reply| {
        reply
            .fault(Point::Body(0), Act::Stall(Some(wait)))
            .fault(Point::Body(0), Act::Cut)
    });
    let url = site.url("/x.bin?size=4000000&ranges=none");
    let begun = Instant::now();
    let done = Hs::new().run(&["--give-up-after", "3", &url]);
    done.exits(4).says("no byte came for 3 s");
    let took = begun.elapsed();
    assert!(took < Duration::from_millis(6500), "{took:?}");
}

#[test]
fn a_server_may_not_ask_for_more_patience_than_there_is() {
    let nth = counter();
    let site = Site::behaving(Via::Clear, move |_, reply| match nth() {
        0 => Reply::new(503, "busy\n".into()).with("Retry-After", "3600"),
        _ => reply,
    });
    let hs = Hs::new();
    let done = soon(
        &hs,
        &["--max-retry-after", "1", &site.url("/x.bin?size=1000")],
    );
    assert!(matches!(done.code, Some(0 | 4)), "{}", done.stderr);
}
