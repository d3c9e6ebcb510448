//! Several sources of one file: all of them at once, or those that are left.

use crate::common::hs::{Hs, sha256};
use crate::common::origin::server::files::Resource;
use crate::common::origin::server::script::Reply;
use crate::common::origin::{MIB, Site, Via};

/// A file that is slow enough for several sources to get a share.
fn file(seed: u64) -> Resource {
    Resource {
        limit: Some(2 * MIB),
        ..Resource::new(seed, 24 * MIB)
    }
}

fn body(seed: u64) -> Vec<u8> {
    crate::common::origin::bytes_of_seed(seed, 24 * MIB)
}

fn site(seed: u64) -> Site {
    let site = Site::new(Via::Clear);
    site.set("/f.bin", file(seed));
    site
}

#[test]
fn ranges_come_from_all_sources_at_once() {
    let (first, second) = (site(1), site(1));
    let hs = Hs::new();
    hs.run(&[
        "-t",
        "4",
        &first.url("/f.bin"),
        "--mirror",
        &second.url("/f.bin"),
    ])
    .exits(0);
    hs.assert_only("f.bin", &body(1));
    for (name, site) in [("first", &first), ("second", &second)] {
        let sent = site.settle().sent();
        assert!(sent > 4 * MIB, "{name}: {sent} bytes{}", site.story());
    }
}

#[test]
fn a_mirror_with_another_file_is_dropped() {
    let first = site(1);
    let hs = Hs::new();
    let url = first.url("/f.bin");
    // Another size; the same size and other bytes; another tag, and nothing that would show that it is the same.
    let size = Site::new(Via::Clear);
    size.set("/f.bin", Resource::new(1, 23 * MIB));
    let bytes = Site::new(Via::Clear);
    bytes.set(
        "/f.bin",
        Resource {
            etag: file(1).etag,
            ..file(2)
        },
    );
    let tag = Site::new(Via::Clear);
    tag.set(
        "/f.bin",
        Resource {
            etag: Some("\"other\"".into()),
            ..file(1)
        },
    );
    let none = Site::behaving(Via::Clear, |_, _| Reply::new(404, "no\n".into()));
    let mirrors = [size, bytes, tag, none].map(|site| (site.url("/f.bin"), site));
    let mut arguments = vec!["-t", "4", url.as_str()];
    for (mirror, _) in &mirrors {
        arguments.extend(["--mirror", mirror]);
    }
    let done = hs.run(&arguments).exits(0);
    hs.assert_only("f.bin", &body(1));
    for why in [
        "its length is",
        "begins with other bytes",
        "nothing shows",
        "404",
    ] {
        assert!(
            done.stderr.contains(why),
            "{why:?} is missing in:\n{}",
            done.stderr
        );
    }
    for (_, site) in &mirrors {
        assert_eq!(site.exchanges().len(), 1, "{}", site.story());
    }
}

#[test]
fn a_checksum_vouches_for_a_mirror_with_another_tag() {
    let first = site(1);
    let second = Site::new(Via::Clear);
    second.set(
        "/f.bin",
        Resource {
            etag: Some("\"other\"".into()),
            ..file(1)
        },
    );
    let hs = Hs::new();
    let sum = format!("sha256:{}", sha256(&body(1)));
    let (url, mirror) = (first.url("/f.bin"), second.url("/f.bin"));
    hs.run(&["-t", "4", "--checksum", &sum, &url, "--mirror", &mirror])
        .exits(0);
    hs.assert_only("f.bin", &body(1));
    assert!(second.settle().sent() > 4 * MIB, "{}", second.story());
}

#[test]
fn a_mirror_that_fails_on_the_way_leaves_its_part_to_the_others() {
    let first = site(1);
    let second = Site::behaving(Via::Clear, |request, reply| match request.header("range") {
        Some(_) => Reply::new(410, "gone\n".into()),
        None => reply,
    });
    second.set("/f.bin", file(1));
    let hs = Hs::new();
    hs.run(&[
        "-t",
        "4",
        &first.url("/f.bin"),
        "--mirror",
        &second.url("/f.bin"),
    ])
    .exits(0)
    .says("is dropped: ");
    hs.assert_only("f.bin", &body(1));
}

#[test]
fn where_the_first_source_is_dead_a_mirror_has_the_file() {
    let second = site(1);
    let hs = Hs::new();
    let missing = Site::behaving(Via::Clear, |_, _| Reply::new(404, "no\n".into()));
    let (url, mirror) = (missing.url("/f.bin"), second.url("/other-name.bin"));
    second.set("/other-name.bin", file(1));
    hs.run(&[&url, "--mirror", &mirror]).exits(0);
    hs.assert_only("f.bin", &body(1));
    let gone = missing.url("/g.bin");
    hs.run(&[&url, "-O", "x", "--mirror", &gone])
        .exits(4)
        .explains("404");
}

#[test]
fn where_the_first_source_dies_the_mirrors_bring_the_rest() {
    let first = Site::behaving(Via::Clear, |request, reply| match request.header("range") {
        Some(_) => Reply::new(404, "gone\n".into()),
        None => reply,
    });
    first.set("/f.bin", file(1));
    let second = site(1);
    let hs = Hs::new();
    let list = hs.home().join("list");
    let line = format!(
        "{{\"url\": \"{}\", \"mirrors\": [\"{}\"]}}",
        first.url("/f.bin"),
        second.url("/f.bin")
    );
    std::fs::write(&list, line).unwrap();
    hs.run(&["-t", "4", "-i", list.to_str().unwrap()]).exits(0);
    hs.assert_only("f.bin", &body(1));
}
