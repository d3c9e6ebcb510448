//! A download that was interrupted, in whatever way, goes on where it stopped, and never with bytes of something else.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::process::Signal;

use crate::common::hs::{Hs, sha256};
use crate::common::origin::server::content;
use crate::common::origin::server::files::Resource;
use crate::common::origin::{MIB, Site, Via, asks_range, bytes_of, in_every_way};

/// Bytes that may be fetched twice after `kill -9`: what is written and not yet claimed.
const UNCLAIMED: u64 = 8 * MIB;

/// Bytes on their way between an origin that is limited to this speed for each request and a file.
const IN_FLIGHT: u64 = 2 * MIB;

/// A file that takes long enough to be interrupted.
const SIZE: u64 = 16 * MIB;
const SLOW: &str = "size=16777216&limit=3145728";

#[test]
fn sigint_leaves_what_the_next_run_goes_on_with() {
    in_every_way(|via| {
        goes_on_after(via, Signal::INT, 130);
    });
}

#[test]
fn sigterm_leaves_what_the_next_run_goes_on_with() {
    goes_on_after(Via::Http2, Signal::TERM, 143);
}

fn goes_on_after(via: Via, signal: Signal, code: i32) {
    let site = Site::new(via);
    let hs = Hs::trusting(&site);
    let url = site.url(&format!("/x.bin?{SLOW}"));
    let running = hs.start(&["-t", "4", &url]);
    site.wait_for_sent(SIZE / 3);
    running.signal(signal);
    running
        .wait()
        .exits(code)
        .says("interrupted")
        .says("hint: ");
    assert_eq!(hs.files(), ["x.bin.part", "x.bin.part.json"]);
    let (sent, asked) = (site.settle().sent(), site.exchanges().len());

    hs.run(&["-t", "8", &url]).exits(0);
    hs.assert_only("x.bin", &bytes_of("/x.bin", SIZE));
    let again = site.settle().sent() - sent;
    assert!(
        again <= SIZE - sent + IN_FLIGHT,
        "{again} bytes were sent for the rest of {SIZE} - {sent}"
    );
    let first = &site.exchanges()[asked].request;
    assert!(asks_range(first));
    assert!(
        first.header("if-range").is_some(),
        "no If-Range in {first:?}"
    );
}

#[test]
fn a_second_signal_does_not_wait() {
    let site = Site::new(Via::Http2);
    let hs = Hs::trusting(&site);
    let running = hs.start(&[&site.url(&format!("/x.bin?{SLOW}"))]);
    site.wait_for_sent(MIB);
    running.signal(Signal::INT).signal(Signal::INT);
    running.wait().exits(130);
}

#[test]
fn kill_9_over_http2_costs_little() {
    survives_kills(Via::Http2);
}

#[test]
fn kill_9_over_http1_costs_little() {
    survives_kills(Via::Http1);
}

/// Kills at four moments, each a random distance behind the one before, then lets the file be completed.
fn survives_kills(via: Via) {
    let size = 96 * MIB;
    let site = Site::new(via);
    let hs = Hs::trusting(&site);
    let url = site.url(&format!("/x.bin?size={size}&limit={}", 5 * MIB));
    let seed = fastrand::u64(..);
    let mut random = fastrand::Rng::with_seed(seed);
    let mut kept = 0;
    for _ in 0..4 {
        let before = site.settle().sent();
        let running = hs.start(&["-t", "8", &url]);
        site.wait_for_sent(before + UNCLAIMED + IN_FLIGHT + random.u64(6 * MIB..10 * MIB));
        running.kill();
        kept += site.settle().sent() - before - (UNCLAIMED + IN_FLIGHT);
        assert_eq!(hs.files(), ["x.bin.part", "x.bin.part.json"], "seed {seed}");
    }
    let before = site.sent();
    hs.run(&["-t", "8", &url]).exits(0);
    let last = site.settle().sent() - before;
    println!("seed {seed}: {} bytes were sent twice", site.sent() - size);
    assert!(
        last <= size - kept + IN_FLIGHT,
        "seed {seed}: {last} bytes were sent when {kept} of {size} must have been kept"
    );
    assert_eq!(hs.files(), ["x.bin"]);
    let digest = sha256(&hs.read("x.bin"));
    assert_eq!(digest, sha256(&bytes_of("/x.bin", size)), "seed {seed}");
}

#[test]
fn kill_9_of_a_file_without_ranges_begins_it_anew() {
    let site = Site::new(Via::Http2);
    let hs = Hs::trusting(&site);
    let url = site.url("/x.bin?size=6291456&ranges=none&limit=6291456");
    let running = hs.start(&[&url]);
    site.wait_for_sent(3 * MIB);
    running.kill();
    hs.run(&[&url]).exits(0);
    hs.assert_only("x.bin", &bytes_of("/x.bin", 6 * MIB));
}

/// Downloads a third and ends with SIGINT.
fn interrupt(site: &Site, hs: &Hs, url: &str) {
    let running = hs.start(&["-t", "4", url]);
    site.wait_for_sent(site.sent() + SIZE / 3);
    running.signal(Signal::INT);
    running.wait().exits(130);
    site.settle();
}

#[test]
fn a_part_that_the_server_cannot_go_on_with_is_begun_anew() {
    // The file is another one now, and the server does not look at If-Range: it sends a part of that, or has no such part.
    for size in [SIZE, MIB] {
        let changed = Arc::new(AtomicBool::new(false));
        let is_changed = Arc::clone(&changed);
        let site = Site::behaving(Via::Http2, move |request, reply| {
            if !is_changed.load(Ordering::Relaxed) {
                return reply;
            }
            let mut request = request.clone();
            request
                .headers
                .retain(|(name, _)| !name.eq_ignore_ascii_case("if-range"));
            Resource::new(2, size).reply(&request)
        });
        let hs = Hs::trusting(&site);
        let url = site.url(&format!("/x.bin?{SLOW}"));
        interrupt(&site, &hs, &url);
        changed.store(true, Ordering::Relaxed);
        hs.run(&["-t", "8", &url]).exits(0);
        hs.assert_only("x.bin", &content::bytes(2, 0..size));
    }
}

#[test]
fn a_part_without_its_control_file_is_not_trusted() {
    let site = Site::new(Via::Http2);
    let hs = Hs::trusting(&site);
    hs.write("x.bin.part", &vec![0xee; SIZE as usize]);
    hs.run(&["-t", "8", &site.url(&format!("/x.bin?size={SIZE}"))])
        .exits(0);
    hs.assert_only("x.bin", &bytes_of("/x.bin", SIZE));
}

#[test]
fn a_finished_file_is_skipped() {
    let site = Site::new(Via::Http2);
    let hs = Hs::trusting(&site);
    let size = 14 * MIB;
    let url = site.url(&format!("/x.bin?size={size}&limit={}", 12 * MIB));
    hs.run(&["-t", "4", &url]).exits(0);
    let sent = site.settle().sent();
    hs.run(&["-t", "4", &url]).exits(0).says("complete already");
    let again = site.settle().sent() - sent;
    assert!(
        again < 4 * MIB,
        "{again} bytes were sent for a file that is there"
    );
    let checksum = format!("sha256:{}", sha256(&bytes_of("/x.bin", size)));
    hs.run(&["--checksum", &checksum, &url])
        .exits(0)
        .says("complete already");
    hs.assert_only("x.bin", &bytes_of("/x.bin", size));
}

#[test]
fn a_file_of_the_right_size_and_the_wrong_checksum_is_kept_too() {
    let site = Site::new(Via::Http2);
    let hs = Hs::trusting(&site);
    hs.write("x.bin", &[7; 1000]);
    let bytes = bytes_of("/x.bin", 1000);
    let checksum = format!("sha256:{}", sha256(&bytes));
    hs.run(&["--checksum", &checksum, &site.url("/x.bin?size=1000")])
        .exits(0);
    hs.assert_file("x.bin", &[7; 1000]);
    hs.assert_file("x (1).bin", &bytes);
}
